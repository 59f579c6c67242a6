#pragma once
// This process's row in the table of hosts, by which the rest of the fleet and memoirctl know it. Owns
// nothing. Thread safety: functions. Failures: removing it is best effort, as the row disappears by itself
// after a day.

#include <string>
#include <vector>

#include "app/backends.hpp"
#include "config/config.hpp"
#include "pg/connection.hpp"
#include "pg/pool.hpp"

namespace memoir::app {

struct HostState {
    std::vector<std::string> kinds;  // served
    bool draining = false;
    bool draining_column = false;  // schema::Additions::draining_since
};
// What follows a heartbeat: this process is alive, serves these kinds, and knows this of its backends.
pg::Segment renew_host_row(const config::Config& config, const std::string& nonce, const HostState& state,
                           const Backends& backends);
void remove_host_row(pg::Pool& pool, const std::string& schema, const std::string& nonce);

}  // namespace memoir::app
