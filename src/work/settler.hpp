#pragma once
// The ends and steps of claims: complete, retry (park), fail, release, checkpoint. Each is one transaction,
// fenced by the claim, that is repeated until it stands, the claim turns out to be lost, or the row is gone;
// a database that is away only makes it wait. Locks: memories first, then memory_jobs, then inserts.
//
// Work that is free to repeat commits without waiting for the disk: its effects and the removal of its row
// vanish together. Paid work, and failing, waits. Thread safety: all of Settler.

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "work/context.hpp"
#include "work/park_history.hpp"

namespace memoir::work {

// A claim statement that travels with a settle in one round trip.
struct ClaimRequest {
    Task task;
    std::string claimed_by;
    TimePoint sent;
    std::unique_ptr<ClaimTable::InFlight> flight;
    std::vector<queue::Job> jobs;  // the answer
};

class Settler : public Checkpoints {
  public:
    explicit Settler(Context& context) : context_(context) {}

    struct Completed {
        std::vector<std::size_t> redo;  // what was read has changed: the stage runs again
        std::vector<std::pair<std::size_t, Failure>> failed;
    };
    // Completes these members of a batch. `effects` null: no-ops.
    Completed complete(std::span<Claim> batch, std::vector<std::size_t> members, Effects* effects,
                       const Entry& entry);
    // Completes a batch of no-ops that needs no lock, and claims the next one in the same round trip. Returns
    // false when the claim was not answered.
    bool complete_and_claim(std::span<Claim> batch, ClaimRequest& ask);

    // Ends each with what its failure decides.
    void end(std::span<Claim> batch, std::span<const std::pair<std::size_t, Failure>> failures,
             const Entry& entry);

    void checkpoint(Claim& claim, const std::string& payload, Effects& effects) override;

    // The claim statement of a pick; its rows once answered. Waits for the database; gives up when `stop`
    // comes.
    pg::Statement claim_statement(const ClaimRequest& ask) const;
    bool claim(ClaimRequest& ask, const std::stop_token& stop);

  private:
    struct Parting {
        std::size_t member;
        queue::Park row;
        FailureType type;
    };
    Completed complete_locked(std::span<Claim> batch, std::vector<std::size_t> members, Effects* effects,
                              const Entry& entry);
    void complete_plain(std::span<Claim> batch, std::vector<std::size_t> members);
    void adopt(ClaimRequest& ask, const std::stop_token& stop);
    void park(std::span<Claim> batch, const std::vector<Parting>& rows);
    void release(std::span<Claim> batch, std::vector<std::size_t> members);
    void fail(Claim& claim, const Failure& failure, const Entry& entry);

    // What became of rows that a fenced statement did not return, or whose commit is unknown. Removes the
    // settled from `members`; those left are still ours.
    void resolve(std::span<Claim> batch, std::vector<std::size_t>& members, queue::Meant meant);
    template <typename Do>
    bool repeat(Do&& attempt);  // until it returns true; false: abandoned
    void held_up(const pg::Error& error, TimePoint since);

    // The claim is over: counted, and no longer held. Lets the next suspect in after one.
    void ended(Claim& claim, std::string_view outcome, std::string_view failure = "none");
    void succeeded(Claim& claim);
    void lost(Claim& claim);
    void over(Claim& claim);
    void gone(Claim& claim);

    Context& context_;
    ParkHistory park_history_;
    std::atomic<TimePoint> told_{TimePoint::min()};  // that settles are held up
};

}  // namespace memoir::work
