#include "work/outcomes.hpp"

namespace memoir::work {

std::vector<telemetry::Field> job_fields(const Claim& claim) {
    const auto& job = claim.job();
    std::vector<telemetry::Field> fields;
    fields.reserve(8);  // callers add one or two
    fields.push_back({"job_id", job.id});
    fields.push_back({"kind", job.kind});
    fields.push_back({"source_pid", job.source_pid});
    fields.push_back({"worker", claim.run().worker()});
    fields.push_back({"attempt", static_cast<std::int64_t>(job.attempts) + 1});
    return fields;
}

Milliseconds Outcomes::elapsed(const Claim& claim) {
    return std::chrono::duration_cast<Milliseconds>(Steady::now() - claim.run().started());
}

void Outcomes::ended(Claim& claim, Outcome outcome, std::string_view failure) {
    if (context_.tally.observer.ended)
        context_.tally.observer.ended(
            {claim.job().kind, outcome, failure, Milliseconds(claim.job().waited_ms), elapsed(claim)});
    if (!comes_back(outcome)) history_.forget(claim.job().id);
    claim.settled();
    if (claim.job().suspect) context_.lanes.suspect_settled();
}

void Outcomes::succeeded(Claim& claim) {
    ++context_.tally.succeeded;
    if (context_.log.wants(telemetry::Level::info)) {
        auto fields = job_fields(claim);
        fields.push_back({"outcome", std::string("succeeded")});
        fields.push_back({"duration_ms", static_cast<std::int64_t>(elapsed(claim).count())});
        context_.log.info("memoir.worker.job_succeeded", "job completed", std::move(fields));
    }
    ended(claim, Outcome::completed);
}

void Outcomes::retried(Claim& claim, Milliseconds delay, FailureType type) {
    ++context_.tally.retried;
    context_.parked(claim.job().id, delay);
    ended(claim, Outcome::retried, to_string(type));
}

void Outcomes::parked(Claim& claim, Milliseconds delay, FailureType type) {
    ++context_.tally.parked;
    context_.parked(claim.job().id, delay);
    ended(claim, Outcome::parked, to_string(type));
}

void Outcomes::released(Claim& claim) {
    ++context_.tally.released;
    context_.log.info("memoir.worker.job_released", "job released, no attempt counted", job_fields(claim));
    context_.lanes.found(claim.job().kind, claim.job().position);
    ended(claim, Outcome::released);
}

void Outcomes::failed(Claim& claim, const Failure& failure) {
    ++context_.tally.failed;
    auto fields = job_fields(claim);
    fields.push_back({"outcome", std::string("failed")});
    fields.push_back({"error", failure.reason()});
    fields.push_back({"failure_type", std::string(to_string(failure.type()))});
    fields.push_back({"duration_ms", static_cast<std::int64_t>(elapsed(claim).count())});
    context_.log.error("memoir.worker.job_failed", "job failed permanently; `memoirctl jobs show` tells more",
                       std::move(fields));
    ended(claim, Outcome::failed, to_string(failure.type()));
}

void Outcomes::lost(Claim& claim) {
    ++context_.tally.lost;
    context_.log.warning("memoir.worker.lease_lost",
                         "claim lost: another worker had taken the job over before it was settled",
                         job_fields(claim));
    ended(claim, Outcome::lost);
    claim.forfeit();
}

void Outcomes::unknown(Claim& claim) {
    auto fields = job_fields(claim);
    fields.push_back({"outcome", std::string("unknown")});
    context_.log.warning("memoir.worker.complete_failed",
                         "connection lost during a commit; the row has been removed since",
                         std::move(fields));
    ended(claim, Outcome::unknown);
    claim.forfeit();
}

void Outcomes::source_deleted(Claim& claim) {
    context_.log.debug("memoir.worker.source_missing", "the memory was deleted while its job ran",
                       job_fields(claim));
    succeeded(claim);
    claim.forfeit();
}

void Outcomes::stood(Claim& claim, queue::Meant meant) {
    switch (meant) {
        case queue::Meant::park:
            return ended(claim, Outcome::parked);
        case queue::Meant::release:
            return ended(claim, Outcome::released);
        case queue::Meant::fail:
            ++context_.tally.failed;
            context_.log.error("memoir.worker.job_failed",
                               "job failed permanently; `memoirctl jobs show` tells more", job_fields(claim));
            return ended(claim, Outcome::failed);
        case queue::Meant::remove:
        case queue::Meant::checkpoint:
            return ended(claim, Outcome::completed);
    }
}

}  // namespace memoir::work
