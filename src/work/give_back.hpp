#pragma once
// The ends of claims that are not completed: what each failure decides, and its statement. Parked rows wait
// for a retry or for their backend, released ones are pending at once, failed ones stay failed with what
// their kind changes then. Thread safety: all of GiveBack.

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "work/brake.hpp"
#include "work/outcomes.hpp"
#include "work/park_history.hpp"
#include "work/persist.hpp"
#include "work/retry.hpp"

namespace memoir::work {

class GiveBack {
  public:
    GiveBack(Context& context, Persist& persist, Outcomes& outcomes, ParkHistory& history)
        : context_(context), persist_(persist), outcomes_(outcomes), history_(history) {}

    // Ends each member with what its failure decides.
    void end(std::span<Claim> batch, std::span<const std::pair<Index, Failure>> failures, const Entry& entry);
    // Back to pending, no attempt.
    void release(std::span<Claim> batch, std::vector<Index> members);

  private:
    struct Parting {
        Index member;
        queue::Park row;
        FailureType type;
    };
    Parting parting(const Claim& claim, Index member, const Failure& failure, Decision decision,
                    const Entry& entry);
    void tell(const Claim& claim, const Failure& failure, const Parting& parting);
    // Takes back the attempts of parked jobs.
    void uncharge(const std::vector<std::int64_t>& jobs);
    void park(std::span<Claim> batch, const std::vector<Parting>& rows);
    // How long the brake keeps it from failing; zero: not at all.
    Milliseconds braked(const Claim& claim, const Failure& failure);
    // The failure that keeps it from failing now; nullopt: it has ended.
    std::optional<Failure> fail(Claim& claim, const Failure& failure, const Entry& entry);
    bool fail_once(Claim& claim, const Failure& failure, const Entry& entry, bool with_effects,
                   bool& unknown);

    Context& context_;
    Persist& persist_;
    Outcomes& outcomes_;
    ParkHistory& history_;
    Brake brake_;
};

}  // namespace memoir::work
