#include "telemetry/open_log.hpp"

#include <cstdio>

#include "telemetry/journal_sink.hpp"
#include "telemetry/stream_sink.hpp"

namespace memoir::telemetry {

bool goes_to_journal(const LogOptions& options) {
    return options.format == Format::automatic && stderr_is_journal();
}

std::unique_ptr<SinkLog> open_log(const LogOptions& options, const std::string& identifier) {
    std::unique_ptr<Sink> sink;
    if (goes_to_journal(options))
        sink = std::make_unique<JournalSink>(identifier);
    else
        sink =
            std::make_unique<StreamSink>(stderr, options.format == Format::json ? Lines::json : Lines::text);
    return std::make_unique<SinkLog>(std::move(sink), options.level);
}

}  // namespace memoir::telemetry
