#pragma once
// What is worth saying about a configuration that works, but perhaps not as meant. Thread safety: functions.

#include "app/backends.hpp"
#include "pg/connection.hpp"

namespace memoir::app {

void tell_unserved(const Backends::Unserved& kind, telemetry::Log& log);
// Staged triples that this configuration would never take anywhere. Throws pg::Error.
void warn_of_staged_in_vain(pg::Connection& connection, const config::Config& config, telemetry::Log& log);

}  // namespace memoir::app
