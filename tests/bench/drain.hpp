#pragma once
// Drains no-ops through the ordinary path: claim, stage, settle, events as JSON lines into a file.

#include <cstdio>
#include <memory>
#include <thread>

#include "bench/bench.hpp"
#include "telemetry/sink_log.hpp"
#include "telemetry/stream_sink.hpp"
#include "work/engine.hpp"

namespace memoir::bench {

// Jobs of the kind synthesize a second, until `rows` of them are settled.
inline double drain_no_ops(const test::TestSchema& schema, int rows, int loops, int batch) {
    std::FILE* sink = std::tmpfile();
    double rate = 0;
    {
        telemetry::SinkLog log(std::make_unique<telemetry::StreamSink>(sink, telemetry::Lines::json),
                               telemetry::Level::info);
        pg::Pool pool(schema.options(), loops + 1);
        work::EngineSettings settings;
        work::Options options;
        options.lanes = {{"derive", {"synthesize"}, loops, batch}};
        settings.schema = schema.name();
        settings.host = "bench";
        settings.additions.pending_index = true;
        settings.database = schema.options();
        work::Engine engine(settings, {options, {{"synthesize", {}}}}, pool, log);
        const auto begun = Steady::now();
        engine.start();
        engine.wake("");  // as the listener does when it has started
        while (engine.tally().succeeded < static_cast<std::uint64_t>(rows))
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        rate = rows / seconds(begun);
        engine.drain({});
        log.flush(Milliseconds(10'000));
        if (log.dropped() > 0) std::printf("  (events dropped: %lu)\n", log.dropped());
    }
    std::fclose(sink);
    return rate;
}

}  // namespace memoir::bench
