#pragma once
// What memoird says about its work where nothing but a line fits: systemd's STATUS=, and the answer to
// SIGUSR1 in the log. Owns nothing. Thread safety: functions. Failures: none.

#include <string>

#include "app/running.hpp"
#include "telemetry/log.hpp"

namespace memoir::app {

std::string status_line(const Running& running);
// The same with its figures as fields, and a line for each loop at work.
void report_status(const Running& running, telemetry::Log& log);

}  // namespace memoir::app
