#pragma once
// What Redis and FalkorDB say when they refuse, and what it means: one table. Of a text nothing is kept but
// its row and its length, for servers echo the query. Thread safety: pure functions and constants.

#include <span>
#include <string>
#include <string_view>

#include "base/failure.hpp"
#include "graph/value.hpp"

namespace memoir::graph {

struct ErrorRow {
    std::string_view text;  // how the error begins, in the server's spelling
    FailureType type;
    std::string_view reason;  // ours
    std::string_view hint;    // empty: none
};

std::span<const ErrorRow> error_rows();

// The row that an error's text begins as; none: unknown.
ServerError read_error(std::string_view text);
Failure to_failure(const ServerError& error);
// The same for an error that answers AUTH: what is no outage is the credentials' fault.
Failure to_login_failure(const ServerError& error);

}  // namespace memoir::graph
