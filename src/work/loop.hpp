#pragma once
// A worker loop: claim, run the stage, settle, again. A plain function on a thread of its own; it waits in
// its lane, in a stage, or for the database, and a stop reaches it in all three. Thread safety: run() on one
// thread.

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "endpoint/endpoint.hpp"
#include "work/settler.hpp"

namespace memoir::work {

class Loop {
  public:
    // `number`: in claimed_by, from 0 in each lane. `drain`: no new claims from then on.
    Loop(Context& context, Settler& settler, std::string lane, int number, std::stop_token drain);
    // Returns when drained, or when its lane has loops enough without it. Throws nothing.
    void run();

  private:
    // Places at the backends of a kind, had before its rows are claimed.
    using Room = std::vector<endpoint::Permit>;
    struct Batch {
        PlanPtr plan;  // first: outlives what refers to its endpoints
        std::vector<Claim> claims;
        std::shared_ptr<Run> run;
        Room room{};
    };
    std::optional<Room> reserve(const Task& task);
    std::optional<Batch> take();                // waits for work; nullopt: nothing this time
    std::optional<Batch> work(Batch batch);     // the next one where it came along
    std::optional<Batch> no_ops(Batch& batch);  // settles them and claims in one round trip
    void serve(Batch& batch, const Entry& entry);
    void serve_together(Batch& batch, const Entry& entry);
    Result stage(std::span<Claim> claims, const Entry& entry, const Run& run);

    std::optional<Batch> answered(std::unique_ptr<ClaimRequest> request, Room room);
    void abort(std::vector<Claim>& claims, const Entry& entry, const std::exception& error);

    Context& context_;
    Settler& settler_;
    const std::string lane_;
    const int number_;
    const std::stop_token drain_;
    bool over_ = false;             // no further claims
    std::shared_ptr<Run> running_;  // the batch in a stage: its deadline does not count what it waits for
};

}  // namespace memoir::work
