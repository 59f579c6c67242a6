#include "app/status_report.hpp"

#include <fmt/core.h>

#include "endpoint/endpoint.hpp"
#include "endpoint/trouble.hpp"

namespace memoir::app {

std::string status_line(const Running& running) {
    const auto& tally = running.engine->tally();
    auto line = fmt::format("{} in hand, {} done, {} failed", running.engine->in_hand(),
                            tally.succeeded.load(), tally.failed.load());
    const auto backends = running.generations.current();
    for (const auto* endpoint : backends->endpoints())
        if (const auto trouble = endpoint::trouble(endpoint->snapshot()); !trouble.empty())
            line += "; " + trouble;
    return line;
}

void report_status(const Running& running, telemetry::Log& log) {
    const auto& tally = running.engine->tally();
    const auto figure = [](std::string_view key, std::uint64_t value) {
        return telemetry::Field{key, static_cast<std::int64_t>(value)};
    };
    log.info("memoir.worker.status", status_line(running),
             {figure("in_hand", running.engine->in_hand()), figure("claimed", tally.claimed),
              figure("succeeded", tally.succeeded), figure("retried", tally.retried),
              figure("failed", tally.failed), figure("parked", tally.parked),
              figure("released", tally.released), figure("recovered", tally.recovered)});
    for (const auto& activity : running.engine->activities())
        log.info("memoir.worker.status", "loop at work",
                 {{"worker", activity.worker},
                  {"kind", activity.kind},
                  {"jobs", static_cast<std::int64_t>(activity.jobs)},
                  {"since_ms", static_cast<std::int64_t>(activity.since.count())}});
}

}  // namespace memoir::app
