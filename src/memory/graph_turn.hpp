#pragma once
// Whose turn it is, of all processes, to write a scope's part of a graph: an advisory lock of the
// transaction, which ends with it or with its connection. Rows are untouched. Thread safety: functions; one
// connection at a time.

#include <string>

#include "memory/memory.hpp"
#include "pg/connection.hpp"

namespace memoir::memory {

// False: another transaction has it.
bool take_graph_turn(pg::Transaction& transaction, const std::string& graph, const Scope& scope);

// A round trip, which throws pg::Error where the connection is gone and another may have the turn.
void check_graph_turn(pg::Transaction& transaction);

}  // namespace memoir::memory
