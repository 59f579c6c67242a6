#pragma once
// What configuration has to know about URLs, libpq connection strings and listen addresses: are they well
// formed, and how are they shown without what is secret in them. Thread safety: pure functions.

#include <optional>
#include <string>

#include "config/findings.hpp"
#include "config/keys.hpp"

namespace memoir::config {

// For http and https, and for the graph's redis, rediss and unix.
std::optional<Complaint> check_url(const Match& match, const std::string& url);

// A libpq URI or keywords. `name` stands in the complaint.
std::optional<Complaint> check_connection(const std::string& name, const std::string& text);
// The same connection with user and password hidden, host and database visible. Text that does not parse is
// hidden whole.
std::string show_connection(const std::string& text);

// metrics.listen
std::optional<Complaint> check_listen(const std::string& address, bool allow_remote);

}  // namespace memoir::config
