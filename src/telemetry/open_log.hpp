#pragma once
// Opens the log that the options ask for. Lines go to standard error: standard output belongs to what a
// command was asked to print (--print-config, memoirctl's tables). Thread safety: functions.

#include <memory>
#include <string>

#include "telemetry/options.hpp"
#include "telemetry/sink_log.hpp"

namespace memoir::telemetry {

// Format::automatic is the journal when standard error is connected to it (systemd started us), else text.
bool goes_to_journal(const LogOptions& options);
// `identifier` is what `journalctl -t` filters on.
std::unique_ptr<SinkLog> open_log(const LogOptions& options, const std::string& identifier = "memoird");

}  // namespace memoir::telemetry
