#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/join.hpp"
#include "ctl/backends.hpp"
#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/context.hpp"
#include "ctl/fleet.hpp"
#include "ctl/table.hpp"
#include "ctl/why.hpp"
#include "queue/depth.hpp"
#include "queue/inspect.hpp"

namespace memoir::ctl {
namespace {

using Right = Table::Align;

struct Status {
    std::string server;
    std::vector<queue::Depth> depths;
    std::vector<queue::Holding> held;
    std::vector<queue::Pause> pauses;
    std::optional<std::vector<queue::Host>> hosts;
    std::vector<Backend> backends;
    std::chrono::milliseconds lease;

    std::optional<std::size_t> serving(const std::string& kind) const {
        if (!hosts) return std::nullopt;
        return static_cast<std::size_t>(
            std::count_if(hosts->begin(), hosts->end(), [&](const queue::Host& host) {
                return alive(host, lease) &&
                       std::find(host.kinds.begin(), host.kinds.end(), kind) != host.kinds.end();
            }));
    }
    const queue::Host* host_of(const std::optional<std::string>& nonce) const {
        if (!hosts || !nonce) return nullptr;
        for (const auto& host : *hosts)
            if (host.nonce == *nonce) return &host;
        return nullptr;
    }
};

Status look(Context& context) {
    Status status;
    const auto& has = context.additions();
    const auto depths = queue::depth_statement(context.schema(), has.pending_index && has.failed_index);
    status.depths = queue::read_depths(context.database().exec(depths.sql, depths.params));
    status.held = queue::holders(context.database(), context.schema());
    status.pauses = read_pauses(context);
    status.hosts = read_hosts(context);
    status.lease = context.config().worker.lease;
    const int version = context.database().server_version();
    status.server = std::to_string(version / 10000) + "." + std::to_string(version % 10000);
    status.backends = look_at_backends(context);
    return status;
}

nlohmann::json kinds_json(const Status& status) {
    auto list = nlohmann::json::array();
    for (const auto& depth : status.depths) {
        nlohmann::json entry{
            {"kind", depth.kind},        {"pending", depth.pending},
            {"parked", depth.parked},    {"claimed", depth.claimed},
            {"failed", depth.failed},    {"capped", depth.capped},
            {"oldest_seconds", nullptr}, {"paused", queue::pause_of(status.pauses, depth.kind) != nullptr},
            {"hosts", nullptr}};
        if (depth.oldest) entry["oldest_seconds"] = *depth.oldest;
        if (const auto serving = status.serving(depth.kind)) entry["hosts"] = *serving;
        list.push_back(std::move(entry));
    }
    return list;
}

nlohmann::json hosts_json(const Status& status) {
    if (!status.hosts) return nullptr;
    auto list = nlohmann::json::array();
    for (const auto& host : *status.hosts)
        list.push_back({{"host", host.host},
                        {"pid", host.pid},
                        {"version", host.version},
                        {"kinds", host.kinds},
                        {"seen_seconds_ago", host.seen_seconds_ago},
                        {"alive", alive(host, status.lease)},
                        {"endpoints", nlohmann::json::parse(host.endpoints, nullptr, false)}});
    return list;
}

nlohmann::json status_json(const Status& status, const std::string& schema) {
    auto pauses = nlohmann::json::array(), held = nlohmann::json::array(), backends = nlohmann::json::array();
    for (const auto& pause : status.pauses)
        pauses.push_back({{"kind", pause.kind}, {"since", pause.paused_at}, {"by", pause.paused_by}});
    for (const auto& each : status.held)
        held.push_back({{"holder", each.holder},
                        {"kind", each.kind},
                        {"rows", each.rows},
                        {"renewed_seconds_ago", each.longest}});
    for (const auto& backend : status.backends)
        backends.push_back({{"role", backend.role},
                            {"what", backend.what},
                            {"usable", backend.usable},
                            {"detail", backend.detail},
                            {"hint", backend.hint}});
    return {{"schema", schema},
            {"server_version", status.server},
            {"kinds", kinds_json(status)},
            {"pauses", std::move(pauses)},
            {"holders", std::move(held)},
            {"hosts", hosts_json(status)},
            {"backends", std::move(backends)}};
}

void write_kinds(std::ostream& out, const Status& status) {
    Table table({{"KIND"},
                 {"PENDING", Right::right},
                 {"PARKED", Right::right},
                 {"CLAIMED", Right::right},
                 {"FAILED", Right::right},
                 {"OLDEST", Right::right},
                 {"SERVED BY"}});
    const auto cell = [](std::int64_t value, bool capped) {
        return count(value, capped && value == queue::depth_cap);
    };
    for (const auto& depth : status.depths) {
        const auto serving = status.serving(depth.kind);
        std::string by =
            !serving ? "unknown" : std::to_string(*serving) + (*serving == 1 ? " host" : " hosts");
        if (queue::pause_of(status.pauses, depth.kind)) by += ", paused";
        table.add({depth.kind, cell(depth.pending, depth.capped), cell(depth.parked, depth.capped),
                   cell(depth.claimed, depth.capped), cell(depth.failed, depth.capped), age(depth.oldest),
                   by});
    }
    out << table;
    if (!status.hosts)
        out << "\nwhich hosts serve a kind is unknown: the table memoird_hosts does not exist\nHINT: "
               "memoirctl "
               "schema apply\n";
    for (const auto& pause : status.pauses)
        out << "\n"
            << printable(pause.kind == queue::every_kind ? "every kind" : pause.kind) << " was paused at "
            << pause.paused_at << " by " << printable(pause.paused_by) << '\n';
}

void write_holders(std::ostream& out, const Status& status) {
    if (status.held.empty()) return;
    Table table({{"HELD BY"}, {"KIND"}, {"ROWS", Right::right}, {"RENEWED", Right::right}, {"ALIVE"}});
    for (const auto& held : status.held) {
        const auto* host = status.host_of(held.nonce);
        const bool known = status.hosts && held.nonce;
        table.add({held.holder, held.kind, std::to_string(held.rows), age(held.longest) + " ago",
                   !known                               ? "unknown"
                   : host && alive(*host, status.lease) ? "yes"
                                                        : "not seen"});
    }
    out << '\n' << table;
}

// What each living host knows of its backends: calls in flight and the most there may be, who waits for one.
void write_endpoints(std::ostream& out, const Status& status) {
    Table table({{"BACKEND"}, {"AT"}, {"BREAKER"}, {"CALLS", Right::right}, {"WAITING", Right::right}});
    bool any = false;
    for (const auto& host : *status.hosts) {
        if (!alive(host, status.lease)) continue;
        const auto list = nlohmann::json::parse(host.endpoints, nullptr, false);
        if (!list.is_array()) continue;
        for (const auto& entry : list) {
            if (!entry.is_object()) continue;
            const auto text = [&](const char* key) {
                const auto found = entry.find(key);
                return found != entry.end() && found->is_string() ? printable(found->get<std::string>())
                                                                  : "-";
            };
            const auto number = [&](const char* key) {
                const auto found = entry.find(key);
                return found != entry.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
            };
            const auto most = number("max_concurrent");
            table.add({text("name"), printable(host.host) + ":" + std::to_string(host.pid), text("state"),
                       std::to_string(number("in_flight")) + (most > 0 ? " of " + std::to_string(most) : ""),
                       std::to_string(number("waiting"))});
            any = true;
        }
    }
    if (any) out << '\n' << table;
}

void write_hosts(std::ostream& out, const Status& status) {
    if (!status.hosts || status.hosts->empty()) return;
    Table table({{"HOST"}, {"PID", Right::right}, {"VERSION"}, {"SEEN", Right::right}, {"SERVES"}});
    for (const auto& host : *status.hosts) {
        table.add({host.host, std::to_string(host.pid), host.version, age(host.seen_seconds_ago) + " ago",
                   join(host.kinds, " ")});
    }
    out << '\n' << table;
    write_endpoints(out, status);
    for (const auto& host : *status.hosts)
        if (alive(host, status.lease))
            for (const auto& endpoint : troubled_endpoints(host))
                out << "on " << printable(host.host) << ":" << host.pid << ", " << printable(endpoint.text)
                    << '\n';
}

void write_backends(std::ostream& out, const Status& status) {
    out << '\n';
    for (const auto& backend : status.backends) {
        out << backend.role << ": " << printable(backend.what)
            << (backend.usable ? " is reachable from this host" : " cannot be used from this host: ")
            << printable(backend.detail) << '\n';
        if (!backend.hint.empty()) out << "HINT: " << printable(backend.hint) << '\n';
    }
}

int run(Context& context, const Arguments&) {
    const auto status = look(context);
    context.print(status_json(status, context.schema()), [&](std::ostream& out) {
        out << "schema " << context.schema() << " on PostgreSQL " << status.server << "\n\n";
        write_kinds(out, status);
        write_holders(out, status);
        write_hosts(out, status);
        write_backends(out, status);
    });
    return ok;
}

}  // namespace

Command status_command() {
    return {
        "status",    "",  "show the queue's depth, its holders, the fleet, and which backends are reachable",
        {},          run, "",
        Rights::read};
}

}  // namespace memoir::ctl
