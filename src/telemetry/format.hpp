#pragma once
// One event as one line. Thread safety: functions.

#include <chrono>
#include <string>

#include "telemetry/sink.hpp"

namespace memoir::telemetry {

// 2026-01-31T12:00:00.123456Z, always UTC and microseconds.
std::string rfc3339(std::chrono::system_clock::time_point time);

// {"ts":…,"level":…,"event":…,"message":…,fields…}\n. A field with one of these four names gets a trailing
// `_`, so that no name occurs twice. A number that is not finite becomes null.
void append_json_line(std::string& out, const Stamped& stamped);

// TIME LEVEL message event=… key=value …\n
void append_text_line(std::string& out, const Stamped& stamped);

// A field's value as text, not escaped. A whole-numbered double has no decimals.
std::string value_text(const Field& field);

}  // namespace memoir::telemetry
