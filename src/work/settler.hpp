#pragma once
// The ends and steps of claims: complete, retry (park), fail, release, checkpoint. Each is one transaction,
// fenced by the claim, that is repeated until it stands, the claim turns out to be lost, or the row is gone;
// a database that is away only makes it wait. Locks: memories first, then memory_jobs, then inserts.
//
// Work that is free to repeat commits without waiting for the disk: its effects and the removal of its row
// vanish together. Paid work, and failing, waits. This is the face of it: complete.hpp, give_back.hpp and
// checkpoint.hpp do it, on top of persist.hpp and outcomes.hpp. Thread safety: all of Settler.

#include "work/checkpoint.hpp"
#include "work/claimer.hpp"
#include "work/complete.hpp"
#include "work/give_back.hpp"

namespace memoir::work {

class Settler : public Checkpoints {
  public:
    explicit Settler(Context& context)
        : persist_(context),
          outcomes_(context, history_),
          claimer_(context),
          completer_(context, persist_, outcomes_, claimer_),
          give_back_(context, persist_, outcomes_, history_),
          checkpointer_(context, persist_) {}

    Claimer& claimer() { return claimer_; }
    Completer& completer() { return completer_; }
    GiveBack& give_back() { return give_back_; }
    void checkpoint(Claim& claim, const std::string& payload, Effects& effects) override {
        checkpointer_.store(claim, payload, effects);
    }

  private:
    ParkHistory history_;
    Persist persist_;
    Outcomes outcomes_;
    Claimer claimer_;
    Completer completer_;
    GiveBack give_back_;
    Checkpointer checkpointer_;
};

}  // namespace memoir::work
