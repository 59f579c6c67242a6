#pragma once
// memoird --until-idle: works until nothing is left that this process could do. Owns nothing. Threads: blocks
// its caller's. Thread safety: functions. Failures: end as an exit code.

#include <stop_token>
#include <string>

#include "app/exit_code.hpp"
#include "base/clock.hpp"
#include "telemetry/log.hpp"
#include "work/engine.hpp"

namespace memoir::app {

// patience: how long the database may stay away, or every row that is left may wait for a backend.
ExitCode work_until_idle(work::Engine& engine, Milliseconds patience, telemetry::Log& log,
                         const std::stop_token& stop);
// Says why nothing could be done for so long.
ExitCode give_up(telemetry::Log& log, const std::string& reason);

}  // namespace memoir::app
