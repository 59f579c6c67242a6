#pragma once
// What the server says about itself, for those who look for what is wrong with it. No privilege is needed;
// what is hidden from the role is not told. Thread safety: functions; one connection at a time. Errors:
// pg::Error.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "pg/connection.hpp"

namespace memoir::schema {

struct Server {
    std::string role;
    bool standby = false, read_only = false;  // read_only: this role's transactions begin so
    std::chrono::milliseconds clock{0};       // since the epoch
    Milliseconds statement_timeout{0};        // 0: none; here and below, for this role
    Milliseconds idle_in_transaction_timeout{0};
    Milliseconds lock_timeout{0};
    std::int64_t max_connections = 0, reserved = 0;
    std::int64_t used = 0;                         // by others than memoirds
    std::optional<std::int64_t> role_connections;  // the role's own limit
    bool fsync = true, full_page_writes = true, autovacuum = true;
};
Server ask_server(pg::Connection& connection);

// Transactions that hold vacuum back and are older than `age`; prepared ones have no pid.
struct OpenTransaction {
    std::int64_t pid = 0;
    std::string role, application;
    std::int64_t seconds = 0;
};
std::vector<OpenTransaction> open_transactions(pg::Connection& connection, Milliseconds age);

// Tables of the schema in which row-level security may hide rows from this role.
std::vector<std::string> tables_with_hidden_rows(pg::Connection& connection, const std::string& schema);

// Autovacuum is switched off for the queue's table.
bool queue_not_vacuumed(pg::Connection& connection, const std::string& schema);

}  // namespace memoir::schema
