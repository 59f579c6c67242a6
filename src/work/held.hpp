#pragma once
// Everything this process holds: the rows of memory_jobs that carry its claims, and the claims that are on
// their way. Loops write it, the keeper reads it: what is here is renewed, what is lost is cancelled here,
// and a row of ours that is not here is handed back. Thread safety: all of Held.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "queue/job.hpp"
#include "queue/settle.hpp"

namespace memoir::endpoint {
class Endpoint;
}

namespace memoir::work {

enum class Cause { none, drain, lost, deadline };

// One batch under way on a loop. The keeper and the drain cancel it; the loop reads why.
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

class Held {
  public:
    // A claim statement is on its way: rows that carry it are not orphans.
    class Flight {
      public:
        Flight(Held& held, std::string claimed_by);
        ~Flight();
        Flight(const Flight&) = delete;
        Flight& operator=(const Flight&) = delete;

      private:
        Held& held_;
        std::string claimed_by_;
    };

    // `since`: when the claim statement was sent; the lease counts from there.
    void add(const queue::Job& job, std::shared_ptr<Run> run, TimePoint since);
    void drop(const queue::Fence& claim);
    // From here to drop() the row may leave the table at any moment by our own doing.
    void settling(std::span<const std::int64_t> ids, bool value);
    bool lost(std::int64_t id) const;

    // For the heartbeat: what is taken for lost, too, for the statement is fenced. Runs past their deadline
    // are not renewed.
    std::vector<std::int64_t> to_renew(TimePoint now) const;
    // After a read of all rows of this process that was sent at `sent` with `asked` held before: confirms
    // what it shows, marks as lost (and cancels, when nothing of the run is left) what it does not show, and
    // returns the rows that are nobody's here. `lost` gets the ids.
    std::vector<queue::Fence> reconcile(std::span<const std::int64_t> asked,
                                        std::span<const queue::Fence> read, TimePoint sent,
                                        std::vector<std::int64_t>& lost);
    // Cancels what was not renewed for so long: the lease may be somebody else's by now. Returns how many.
    int cancel_unrenewed(TimePoint now, Milliseconds limit);
    // Cancels runs past their deadline; returns how many are past it by more than `grace`: stuck loops.
    int expire(TimePoint now, Milliseconds grace);
    void cancel_all(Cause cause);
    // The runs of these that cannot be expected to end in time.
    void cancel_if(Cause cause, const std::function<bool(const Run& run)>& hopeless);

    std::size_t size() const;
    bool holds_suspect() const;

    struct Entry {
        queue::Fence fence;
        std::string kind, source_pid;
        std::shared_ptr<Run> run;
        TimePoint renewed;
        bool settling = false, lost = false, suspect = false;
    };
    std::vector<Entry> entries() const;

  private:
    bool run_is_lost(const Run* run) const;
    mutable std::mutex mutex_;
    std::unordered_map<std::int64_t, Entry> entries_;
    std::multiset<std::string> flights_;
};

}  // namespace memoir::work
