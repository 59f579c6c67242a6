#pragma once
// The log of a running program: a bounded queue, one thread and the sink behind it.
//
// emit() costs a lock and never waits for the sink. When the queue is full the newest event is dropped and
// counted; when there is room again one event memoir.log.dropped reports how many. Destroying the log writes
// what is queued, for two seconds at most. The last notable events (warnings, errors, and what the catalog
// marks as notable) are kept for the status page, dropped ones included. Thread safety: all of it.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "telemetry/sink.hpp"

namespace memoir::telemetry {

class SinkLog final : public Log {
  public:
    struct Bounds {
        std::size_t events = 65'536;
        std::size_t bytes = 16 << 20;  // what the events take, roughly; far below what a model takes
    };
    SinkLog(std::unique_ptr<Sink> sink, Level level) : SinkLog(std::move(sink), level, Bounds{}) {}
    SinkLog(std::unique_ptr<Sink> sink, Level level, Bounds bounds);
    ~SinkLog() override;

    void emit(Event event) override;
    bool wants(Level level) const override { return level >= level_.load(std::memory_order_relaxed); }

    // HUP. Holds from the next event on.
    void set_level(Level level) { level_ = level; }
    // Waits until everything emitted before is written; false when that took longer.
    bool flush(Milliseconds deadline);
    // Events lost since the start: queue full, or refused by the sink.
    std::uint64_t dropped() const;
    // Newest last, at most 50.
    std::vector<Stamped> recent() const;

  private:
    void run(std::stop_token stop);
    std::vector<Stamped> take();
    void report_drops();  // both need mutex_

    const std::unique_ptr<Sink> sink_;
    const Bounds bounds_;
    std::atomic<Level> level_;

    mutable std::mutex mutex_;  // guards all below
    std::condition_variable_any work_, written_;
    std::deque<Stamped> queue_;
    std::deque<Stamped> recent_;
    std::size_t bytes_ = 0;         // of queue_
    std::uint64_t accepted_ = 0;    // events that ever entered the queue
    std::uint64_t finished_ = 0;    // of those: written, or refused by the sink
    std::uint64_t dropped_ = 0;     // ever
    std::uint64_t unreported_ = 0;  // of those: not yet told by memoir.log.dropped
    bool idle_ = false;             // the thread waits for work and has to be woken
    int flushing_ = 0;              // callers of flush

    std::jthread thread_;  // last: starts when all else is there, and is joined first
};

}  // namespace memoir::telemetry
