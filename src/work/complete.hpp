#pragma once
// Completes the members of a batch: effects and the removal of their rows are one transaction. Jobs without
// effects need no lock, and may bring the next claim along in the same round trip. A member whose memory
// stays locked by another transaction is given up for now; the others of its batch do not wait for it.
// Thread safety: all of Completer.

#include <span>
#include <utility>
#include <vector>

#include "work/claimer.hpp"
#include "work/outcomes.hpp"
#include "work/persist.hpp"

namespace memoir::work {

struct Completed {
    std::vector<Index> redo;  // what was read has changed: the stage runs again
    std::vector<std::pair<Index, Failure>> failed;
};

class Completer {
  public:
    Completer(Context& context, Persist& persist, Outcomes& outcomes, Claimer& claimer)
        : context_(context), persist_(persist), outcomes_(outcomes), claimer_(claimer) {}

    // `effects` null: no-ops.
    Completed complete(std::span<Claim> batch, std::vector<Index> members, Effects* effects,
                       const Entry& entry);
    // Completes a batch of no-ops and claims the next one. Returns false when the claim was not answered.
    bool complete_and_claim(std::span<Claim> batch, ClaimRequest& request);

  private:
    void complete_plain(std::span<Claim> batch, std::vector<Index> members);

    Context& context_;
    Persist& persist_;
    Outcomes& outcomes_;
    Claimer& claimer_;
};

}  // namespace memoir::work
