#include "queue/hosts.hpp"

#include <nlohmann/json.hpp>
#include <sstream>

#include "pg/name.hpp"
#include "queue/columns.hpp"

namespace memoir::queue {

std::string endpoints_json(std::span<const endpoint::Snapshot> endpoints) {
    auto json = nlohmann::json::array();
    for (const auto& endpoint : endpoints) {
        nlohmann::json entry{{"name", endpoint.name},           {"state", to_string(endpoint.state)},
                             {"in_flight", endpoint.in_flight}, {"max_concurrent", endpoint.max_concurrent},
                             {"waiting", endpoint.waiting},     {"held_ms", endpoint.held_for.count()}};
        if (endpoint.state != endpoint::State::closed) {
            entry["why"] = to_string(endpoint.why);
            entry["reason"] = endpoint.reason;
            entry["hint"] = endpoint.hint;
            entry["next_probe_ms"] = endpoint.next_probe.count();
        }
        json.push_back(std::move(entry));
    }
    // Bytes that are no UTF-8 (a host name in a reason) must not stop a heartbeat.
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

pg::Statement upsert_host(const std::string& schema, const Host& host, bool draining_column) {
    const std::string draining = draining_column ? ", draining_since" : "";
    return {"insert into " + pg::qualified(schema, "memoird_hosts") +
                " as h (nonce, host, pid, version, kinds, endpoints, seen_at" + draining +
                ") select $1, $2, $3::integer, $4, $5::text[], $6::jsonb, clock_timestamp()" +
                (draining_column ? ", case when $7::boolean then clock_timestamp() end" : "") + " from " +
                asynchronous_commit() +
                " on conflict (nonce) do update set host = excluded.host, pid = excluded.pid, version = "
                "excluded.version, kinds = excluded.kinds, endpoints = excluded.endpoints, seen_at = "
                "excluded.seen_at" +
                (draining_column ? ", draining_since = case when $7::boolean then coalesce(h.draining_since, "
                                   "excluded.draining_since) end"
                                 : ""),
            [&] {
                auto params = pg::Params()
                                  .add(host.nonce)
                                  .add(host.host)
                                  .add(host.pid)
                                  .add(host.version)
                                  .array(host.kinds)
                                  .add(host.endpoints);
                if (draining_column) params.add(host.draining);
                return params;
            }()};
}

pg::Statement delete_host(const std::string& schema, const std::string& nonce) {
    return {"delete from " + pg::qualified(schema, "memoird_hosts") + " where nonce = $1",
            pg::Params().add(nonce)};
}

pg::Statement delete_unseen_hosts(const std::string& schema, int limit) {
    return {"delete from " + pg::qualified(schema, "memoird_hosts") + " where " +
                committing_asynchronously() + " and nonce = any(array(select nonce from " +
                pg::qualified(schema, "memoird_hosts") +
                " where seen_at < clock_timestamp() - interval '1 day' limit $1::integer for update skip "
                "locked))",
            pg::Params().add(limit)};
}

pg::Statement select_hosts(const std::string& schema) {
    return {
        "select nonce, host, pid, version, array_to_string(kinds, ','), endpoints::text, "
        "extract(epoch from clock_timestamp() - seen_at)::double precision from " +
        pg::qualified(schema, "memoird_hosts") + " order by host, pid, nonce"};
}

std::vector<Host> read_hosts(const pg::Result& result) {
    std::vector<Host> hosts;
    for (int row = 0; row < result.rows(); ++row) {
        Host host{result.string(row, 0),
                  result.string(row, 1),
                  static_cast<int>(result.integer(row, 2)),
                  result.string(row, 3),
                  {},
                  result.string(row, 5),
                  result.real(row, 6)};
        std::istringstream kinds(result.string(row, 4));
        for (std::string kind; std::getline(kinds, kind, ',');) host.kinds.push_back(kind);
        hosts.push_back(std::move(host));
    }
    return hosts;
}

}  // namespace memoir::queue
