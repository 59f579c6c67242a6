#pragma once
// What --agent, --org and --user say: left out, agent and organisation are any where a command reads and none
// where it writes. What the library stores for none is shown as `-`, or null in JSON. Thread safety: pure
// functions.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "ctl/command.hpp"
#include "memory/scope.hpp"

namespace memoir::ctl {

// For a command that reads. A value is compared as it is given: the library's text for none finds what has
// none. The user is asked for only where it is given; need() tells where it must be.
memory::ScopeFilter read_scope(const Arguments& arguments);

// For a command that writes, or takes a scope as stored. Throws Usage for a missing user and for what
// check_written() refuses.
memory::Scope written_scope(const Arguments& arguments);

// Throws Usage unless writers may store `value` as `part` ("agent", "org", "user"): an empty one never, and
// as agent or organisation none with the library's prefix. `where` begins the message: "--", "line 3: ".
void check_written(const std::string& part, const std::string& value, const std::string& where);

// A stored agent or organisation as people see it.
std::string shown_agent(const std::string& stored);
std::string shown_org(const std::string& stored);
nlohmann::json agent_json(const std::string& stored);
nlohmann::json org_json(const std::string& stored);

}  // namespace memoir::ctl
