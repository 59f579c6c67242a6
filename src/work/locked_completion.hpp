#pragma once
// One completion that applies effects under the locks of its memories, repeated until every member has ended:
// done, to be run again, failed, lost, or deleted with its memory. Lock order: memories, then memory_jobs,
// then inserts. Thread safety: one thread.

#include <optional>
#include <span>
#include <vector>

#include "work/complete.hpp"
#include "work/row_fate.hpp"

namespace memoir::work {

// What becomes of a member that waited for its memory's lock for so long.
Failure locked_out(Milliseconds waited);

class LockedCompletion {
  public:
    // How long a member waits for its memory's lock before it is parked without an attempt: longer than any
    // transaction of a well-behaved writer, and short enough for a loop to stand still.
    static constexpr Milliseconds longest_lock_wait{2'000};

    LockedCompletion(Context& context, Persist& persist, Outcomes& outcomes, std::span<Claim> batch,
                     Effects* effects, const Entry& entry, Completed& completed)
        : context_(context),
          persist_(persist),
          outcomes_(outcomes),
          batch_(batch),
          effects_(effects),
          entry_(entry),
          completed_(completed) {}

    void run(std::vector<Index> members);

  private:
    using Fates = std::vector<std::pair<Index, RowFate>>;
    bool attempt();             // true: every member has ended
    bool give_up_locked_out();  // true: nothing is left to do
    void look_after_unknown();  // the last commit's outcome is unknown
    void pass_over_locked();    // before anything is written elsewhere again
    void end_others(const Fates& fates);
    Fates settle_under_locks();  // all ready: it stands
    Fates look_under_locks(pg::Transaction& transaction);
    void commit(pg::Transaction& transaction);
    struct Failed {
        std::vector<Index> members;
        Failure failure;
    };
    void failed(const Failure& failure);
    // By a completion of their own; `locked_out` when their locks are free. What fails goes to `failed`;
    // null: it is divided there and then.
    void separately(std::vector<Index> members, std::vector<Index> locked_out = {},
                    std::vector<Failed>* failed = nullptr);
    void abandon(std::vector<Index> members);

    Context& context_;
    Persist& persist_;
    Outcomes& outcomes_;
    const std::span<Claim> batch_;
    Effects* const effects_;  // null: none
    const Entry& entry_;
    Completed& completed_;
    std::vector<Failed>* failed_ = nullptr;  // whose part this one is

    std::vector<Index> members_;     // of this try
    std::vector<Index> locked_out_;  // they come last, and hold up no other member
    std::optional<TimePoint> locked_since_;
    bool unknown_ = false;  // whether the last commit stands
};

}  // namespace memoir::work
