#pragma once
// Everything this process holds: the rows of memory_jobs that carry its claims, and the claims that are on
// their way. Loops write it, the keeper reads it: what is here is renewed, what is lost is cancelled here,
// and a row of ours that is not here is handed back. Thread safety: all of ClaimTable.

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "queue/job.hpp"
#include "queue/settle.hpp"
#include "work/run.hpp"

namespace memoir::work {

class ClaimTable {
  public:
    // A claim statement is on its way: rows that carry it are not orphans.
    class InFlight {
      public:
        InFlight(ClaimTable& table, std::string claimed_by);
        ~InFlight();
        InFlight(const InFlight&) = delete;
        InFlight& operator=(const InFlight&) = delete;

      private:
        ClaimTable& table_;
        std::string claimed_by_;
    };

    // `since`: when the claim statement was sent; the lease counts from there.
    void add(const queue::Job& job, std::shared_ptr<Run> run, TimePoint since);
    void drop(const queue::Fence& claim);
    // The same of one that is not settled: the next heartbeat hands its row back.
    void let_go(const queue::Fence& claim);
    std::vector<queue::Fence> take_let_go();
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
    // The process's own row is the lease of all that it holds, and was renewed by a statement sent at `sent`.
    void renewed_all(TimePoint sent);
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
    std::vector<queue::Fence> let_go_;
};

}  // namespace memoir::work
