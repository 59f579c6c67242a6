#include "app/host_row.hpp"

#include <unistd.h>

#include "endpoint/endpoint.hpp"
#include "queue/hosts.hpp"

namespace memoir::app {

pg::Segment renew_host_row(const config::Config& config, const std::string& nonce, const HostState& state,
                           const Backends& backends) {
    std::vector<endpoint::Snapshot> snapshots;
    for (const auto* endpoint : backends.endpoints()) snapshots.push_back(endpoint->snapshot());
    queue::Host host;
    host.nonce = nonce;
    host.host = config.worker.host;
    host.pid = getpid();
    host.version = MEMOIRD_VERSION;
    host.kinds = state.kinds;
    host.draining = state.draining;
    host.endpoints = queue::endpoints_json(snapshots);
    return {queue::upsert_host(config.database.schema, host, state.draining_column)};
}

void remove_host_row(pg::Pool& pool, const std::string& schema, const std::string& nonce) {
    constexpr Milliseconds patience{1'000};  // a drain does not wait for it
    try {
        auto connection = pool.acquire({}, patience);
        connection->set_timeout(patience);
        connection->exec(queue::delete_host(schema, nonce));
        connection->set_timeout(Milliseconds(0));
    } catch (const pg::Error&) {
        // Without a heartbeat it is not taken for alive.
    }
}

}  // namespace memoir::app
