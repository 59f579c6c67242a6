#pragma once
// graph_triple_staging: triples on their way into the graph. Thread safety: functions; one connection at a
// time.

#include <string>

#include "pg/connection.hpp"

namespace memoir::memory {

// Whether any source has staged triples.
bool any_staged(pg::Connection& connection, const std::string& schema);

}  // namespace memoir::memory
