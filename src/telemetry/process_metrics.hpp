#pragma once
// The process_* metrics that every Prometheus client library has, read from /proc/self at each scrape.
// No state; any thread. What cannot be read is left out.

#include <string>

namespace memoir::telemetry {

// Appends them in Prometheus's text format.
void append_process_metrics(std::string& out);

}  // namespace memoir::telemetry
