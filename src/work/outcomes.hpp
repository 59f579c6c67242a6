#pragma once
// The accounts of how claims end: counters, metrics, events, and the end of the claim in this process. No
// I/O but the log. Thread safety: all of Outcomes.

#include <string>

#include "base/failure.hpp"
#include "queue/settle.hpp"
#include "work/context.hpp"
#include "work/park_history.hpp"
#include "work/stage.hpp"

namespace memoir::work {

class Outcomes {
  public:
    Outcomes(Context& context, ParkHistory& history) : context_(context), history_(history) {}

    void succeeded(Claim& claim);
    void retried(Claim& claim, Milliseconds delay, FailureType type);
    void parked(Claim& claim, Milliseconds delay, FailureType type);
    void released(Claim& claim);
    void failed(Claim& claim, const Failure& failure);
    // Another worker has the row.
    void lost(Claim& claim);
    // The connection broke during a commit and the row has gone since: settled, or deleted with its memory.
    void unknown(Claim& claim);
    // The memory was deleted: a success, its jobs went with it.
    void source_deleted(Claim& claim);
    // A settle whose reply was lost turns out to stand.
    void stood(Claim& claim, queue::Meant meant);

    // From the claim, or the last checkpoint, to now.
    static Milliseconds elapsed(const Claim& claim);

  private:
    void ended(Claim& claim, Outcome outcome, std::string_view failure = "none");

    Context& context_;
    ParkHistory& history_;
};

// How long a transaction that ends claims takes, told when it stood.
class Stopwatch {
  public:
    Stopwatch(const Tally& tally, const Claim& claim) : tally_(tally), kind_(claim.job().kind) {}
    void stood() const {
        if (tally_.observer.settled) tally_.observer.settled(kind_, Steady::now() - begun_);
    }

  private:
    const Tally& tally_;
    const std::string kind_;  // the claim may be gone by then
    const TimePoint begun_ = Steady::now();
};

// While it lives the heartbeat takes these rows for being settled: they may leave the table by our own doing.
class Settling {
  public:
    Settling(ClaimTable& table, std::vector<std::int64_t> rows) : table_(table), rows_(std::move(rows)) {
        table_.settling(rows_, true);
    }
    ~Settling() { table_.settling(rows_, false); }
    Settling(const Settling&) = delete;
    Settling& operator=(const Settling&) = delete;

  private:
    ClaimTable& table_;
    std::vector<std::int64_t> rows_;
};

}  // namespace memoir::work
