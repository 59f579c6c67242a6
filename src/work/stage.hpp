#pragma once
// What a job kind is to the engine. A stage takes a span of claims and returns an outcome for each: done, or
// the Failure that decides what becomes of the job. What done jobs change is in their Effects, which the
// settle applies together with the removal of the job's row, in one transaction. Work knows no stage by name:
// app fills the Registry. Thread safety: Stage::run is called from several loops at once; Effects belong to
// one loop.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/failure.hpp"
#include "pg/connection.hpp"
#include "telemetry/log.hpp"
#include "work/members.hpp"

namespace memoir::endpoint {
class Endpoint;
}

namespace memoir::work {

// Thrown by Effects::apply: what was read is not what stands there now. These start over.
class Changed : public std::exception {
  public:
    explicit Changed(std::vector<std::size_t> members) : members_(std::move(members)) {}
    const std::vector<std::size_t>& members() const { return members_; }
    const char* what() const noexcept override { return "what was read has changed"; }

  private:
    std::vector<std::size_t> members_;
};

// The effects of the done jobs of one batch.
class Effects {
  public:
    virtual ~Effects() = default;
    // memories.xmin of the source as the stage read it; another one under the lock sends the member round
    // again. Empty: not compared.
    virtual std::string version(std::size_t) const { return {}; }
    // What has to happen elsewhere before the transaction (the vector index). Called before every try, with
    // the members of that try; must bear repetition. Throws Failure.
    virtual void prepare(Members, std::stop_token) {}
    // In the settling transaction, the sources locked, the rows of exactly these members removed. Throws to
    // roll back.
    virtual void apply(pg::Transaction& transaction, Members members) = 0;
    // The database refuses the data of this one: nothing of it is to be tried again as it is. Throws nothing.
    virtual void refused(Members) {}
    // It stands. No I/O that may fail.
    virtual void committed(Members) {}
    // After prepare(): the claim is lost, the source is gone, or the outcome will never be known.
    virtual void abandoned(Members) {}
};

struct Result {
    std::vector<std::optional<Failure>> failures;  // one a claim; nullopt: done
    std::unique_ptr<Effects> effects;              // null: none of the done ones has any
};

// Stores progress of a job in its payload, with effects, and renews its deadline. Durable.
class Checkpoints {
  public:
    virtual ~Checkpoints() = default;
    // Throws Failure(cancelled) when the claim is lost.
    virtual void checkpoint(Claim& claim, const std::string& payload, Effects& effects) = 0;
};

class Stage {
  public:
    virtual ~Stage() = default;
    // A Failure thrown is that of all claims. `stop`: drain's end, lost lease, deadline.
    virtual Result run(std::span<Claim> claims, Checkpoints& checkpoints, std::stop_token stop) = 0;
};

struct Entry {
    Stage* stage = nullptr;                  // null: completed as a no-op
    std::string_view no_op_event{};          // then: the event of each such job, at debug; empty: none
    std::vector<endpoint::Endpoint*> needs;  // not claimed while one of them does not take work
    bool fan_in = false;                     // its removal may enqueue a synthesize
    bool paid = false;                       // its settle waits for the disk
    // What the jobs' end as `failed` changes besides their rows; the sources are locked.
    std::function<void(pg::Transaction&, std::span<const std::string> source_pids)> when_failed;
    // The one of `needs` whose calls cost money and time: in a drain none begins, and one that would outlast
    // the drain is not waited for. Null: none is.
    endpoint::Endpoint* model = nullptr;
};

// Fields that every event of a job carries: job_id, kind, source_pid, worker, attempt.
std::vector<telemetry::Field> job_fields(const Claim& claim);

using Registry = std::map<std::string, Entry>;

}  // namespace memoir::work
