#pragma once
#include <string>

namespace memoir::telemetry {

// The process_* metrics that every Prometheus client library has, from /proc/self. What cannot be read is
// left out. Thread safety: a function.
void append_process_metrics(std::string& out);

}  // namespace memoir::telemetry
