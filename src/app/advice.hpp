#pragma once
// What is worth saying about a configuration that works, but perhaps not as meant. Owns nothing. Thread
// safety: functions. Failures: pg::Error, where the database is asked.

#include "app/backends.hpp"
#include "pg/connection.hpp"

namespace memoir::app {

// problem: what is not as it could be; hint: what to do about it.
void advise(telemetry::Log& log, const std::string& problem, const std::string& hint);
void tell_unserved(const Backends::Unserved& kind, telemetry::Log& log);
// Staged triples that this configuration would never take anywhere. Throws pg::Error.
void warn_of_staged_in_vain(pg::Connection& connection, const config::Config& config, telemetry::Log& log);

}  // namespace memoir::app
