#pragma once
// One batch under way on a loop: until when it may run, and why it was cancelled. The loop's thread moves the
// deadline, lease keeper and drain cancel, the loop reads why. Thread safety: all of Run.

#include <atomic>
#include <memory>
#include <stop_token>
#include <string>

#include "base/clock.hpp"

namespace memoir::endpoint {
class Endpoint;
}

namespace memoir::work {

enum class Cause { none, drain, lost, deadline };

class Run {
  public:
    // `model`: whose calls take the time, if one does; read only while a claim of the run is held.
    Run(std::string worker, TimePoint started, Milliseconds limit, const endpoint::Endpoint* model = nullptr)
        : worker_(std::move(worker)),
          limit_(limit),
          model_(model),
          started_(started),
          deadline_(started + limit) {}

    std::stop_token token() const { return stop_.get_token(); }
    void cancel(Cause cause);  // the first cause stands
    Cause cause() const { return cause_; }
    const std::string& worker() const { return worker_; }
    Milliseconds limit() const { return limit_; }
    const endpoint::Endpoint* model() const { return model_; }
    TimePoint started() const { return started_; }
    // As seen from `now`: it starts anew at every checkpoint, and does not run while a job waits for a
    // limiter.
    TimePoint deadline(TimePoint now) const;
    void restart(TimePoint now) { deadline_ = now + limit_; }
    void waiting(bool waits, TimePoint now);  // by the loop's thread
    // When what it does now began: its start or its last checkpoint, waits taken out.
    TimePoint step_began(TimePoint now) const { return deadline(now) - limit_; }

  private:
    const std::string worker_;  // "lane.loop"
    const Milliseconds limit_;
    const endpoint::Endpoint* const model_;
    std::stop_source stop_;
    std::atomic<Cause> cause_{Cause::none};
    const TimePoint started_;
    std::atomic<TimePoint> deadline_;
    std::atomic<TimePoint> waits_since_{TimePoint::max()};  // max: it does not wait
};

}  // namespace memoir::work
