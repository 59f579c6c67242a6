#include "app/advice.hpp"

#include "memory/staging.hpp"

namespace memoir::app {

void advise(telemetry::Log& log, const std::string& problem, const std::string& hint) {
    log.warning("memoir.worker.advice", problem, {{"hint", hint}});
}

void tell_unserved(const Backends::Unserved& kind, telemetry::Log& log) {
    log.warning("memoir.worker.kind_unserved",
                "this host does not serve a kind of job; its jobs are left to other hosts",
                {{"kind", kind.kind}, {"reason", kind.reason}});
}

void warn_of_staged_in_vain(pg::Connection& connection, const config::Config& config, telemetry::Log& log) {
    if (config.graph || config.worker.leave_graph_absent ||
        !memory::any_staged(connection, config.database.schema))
        return;
    advise(log,
           "staged triples are waiting for a graph, but no [graph] is configured: synthesize jobs will be "
           "completed as "
           "no-ops",
           "configure [graph], or set worker.graph_absent = \"leave\" if another host has one");
}

}  // namespace memoir::app
