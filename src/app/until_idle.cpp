#include "app/until_idle.hpp"

#include "base/pause.hpp"
#include "pg/error.hpp"

namespace memoir::app {

ExitCode give_up(telemetry::Log& log, const std::string& reason) {
    log.error("memoir.worker.aborted", "no progress for a minute; --until-idle gives up",
              {{"reason", reason}});
    return exit_unavailable;
}

ExitCode work_until_idle(work::Engine& engine, Milliseconds patience, telemetry::Log& log,
                         const std::stop_token& stop) {
    auto useful = Steady::now();
    auto answered = useful;
    std::uint64_t before = 0;
    while (!stop.stop_requested()) {
        try {
            const auto left = engine.remaining();
            answered = Steady::now();
            const auto& tally = engine.tally();
            if (left.none() && engine.in_hand() == 0) return tally.failed > 0 ? exit_unexpected : exit_ok;
            const auto done = tally.succeeded + tally.retried + tally.failed;
            bool all_behind_breakers = !left.ours;
            const auto plan = engine.plan();
            for (const auto& [kind, waiting] : left.kinds)
                all_behind_breakers &= plan->registry.contains(kind) && !plan->takes_work(kind);
            if (!all_behind_breakers || done != before) useful = answered;
            before = done;
        } catch (const pg::Error&) {
            // Counted as not answered.
        }
        const auto now = Steady::now();
        if (now - answered > patience) return give_up(log, "the database does not answer");
        if (now - useful > patience)
            return give_up(log, "every remaining job is waiting for a backend that is unavailable");
        pause(std::min(engine.plan()->options.poll_interval, Milliseconds(250)), stop);
    }
    return exit_ok;
}

}  // namespace memoir::app
