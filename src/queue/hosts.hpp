#pragma once
// The processes of the fleet as they show themselves: rows of memoird_hosts. Each process writes its own with
// its heartbeat; memoirctl reads. Statements, so that they can be pipelined. Ask only where
// schema::Additions::hosts says that the table is there. Thread safety: functions.

#include <span>
#include <string>
#include <vector>

#include "endpoint/endpoint.hpp"
#include "pg/result.hpp"

namespace memoir::queue {

struct Host {
    std::string nonce, host;
    int pid = 0;
    std::string version;
    std::vector<std::string> kinds;  // served there
    std::string endpoints = "[]";    // JSON, see endpoints_json
    double seen_seconds_ago = 0;     // by the server's clock; read only
    bool draining = false;           // written only; since when, is the server's clock at the first time
};

// [{"name", "state", "in_flight", "max_concurrent", "waiting", "held_ms", "why", "reason", "hint",
// "next_probe_ms"}]; why and what follows only unless closed; max_concurrent 0: no limit; held_ms: until the
// provider's rate limits have room.
std::string endpoints_json(std::span<const endpoint::Snapshot> endpoints);

// The process's own row; seen_at is the server's clock_timestamp(). Asynchronous: a standby that is away must
// not hold it up. `draining_column`: schema::Additions::draining_since.
pg::Statement upsert_host(const std::string& schema, const Host& host, bool draining_column);
// The process ends: nobody should look for it.
pg::Statement delete_host(const std::string& schema, const std::string& nonce);
// Rows unseen for a day, so that the table does not grow with every restart that was a crash.
pg::Statement delete_unseen_hosts(const std::string& schema, int limit);

pg::Statement select_hosts(const std::string& schema);
std::vector<Host> read_hosts(const pg::Result& result);

}  // namespace memoir::queue
