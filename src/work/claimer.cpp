#include "work/claimer.hpp"

#include "base/pause.hpp"
#include "queue/claim.hpp"
#include "work/persist.hpp"
#include "work/pg_failure.hpp"

namespace memoir::work {

namespace {
// After a claim that the database refused: a grant or the schema was changed under us, and people act slowly.
constexpr Milliseconds refused_pause{5'000};
// Between two looks for the rows of a claim whose reply was lost.
constexpr Milliseconds adopt_pause{500};
}  // namespace

std::unique_ptr<ClaimRequest> Claimer::request(Task task, const std::string& lane, int number) const {
    auto request = std::make_unique<ClaimRequest>();
    request->task = std::move(task);
    request->claimed_by = context_.identity.next(lane, number);
    request->flight = std::make_unique<ClaimTable::InFlight>(context_.claims, request->claimed_by);
    return request;
}

pg::Statement Claimer::statement(const ClaimRequest& request) {
    const auto& pick = request.task.pick;
    if (pick.suspect) return queue::claim_suspect(context_.schema, request.claimed_by, pick.kind);
    return queue::claim(context_.schema, request.claimed_by, pick.kind, pick.after, pick.limit,
                        context_.indexed, odd_rows_.left(Steady::now()));
}

bool Claimer::claim_once(ClaimRequest& request, const std::stop_token& stop) {
    try {
        auto connection = context_.pool.acquire(stop, connection_wait);
        const auto claim = statement(request);
        request.sent = Steady::now();
        request.jobs = queue::jobs(connection->exec(claim), request.claimed_by);
    } catch (const pg::UnknownOutcome&) {
        adopt(request, context_.abandon);
    }
    return true;
}

bool Claimer::claim(ClaimRequest& request, const std::stop_token& stop) {
    // Once more without each odd row; those that are not found this way end as any refusal.
    for (std::size_t odd = 0; odd <= OddRows::most; ++odd) {
        try {
            return claim_once(request, stop);
        } catch (const pg::Error& error) {
            if (stop.stop_requested()) return false;
            const bool of_a_row =
                error.error_class() == pg::ErrorClass::other || error.error_class() == pg::ErrorClass::data;
            if (of_a_row && leave_odd_row(request, error, stop)) continue;
            std::vector<telemetry::Field> fields{{"kind", request.task.pick.kind},
                                                 {"error", std::string(error.what())}};
            if (passes_by_itself(error)) {
                context_.log.debug("memoir.worker.claim_failed", "claim query failed", std::move(fields));
            } else {
                context_.log.warning("memoir.worker.claim_failed", "the database rejects claims",
                                     std::move(fields));
                pause(refused_pause, stop);
            }
            return false;
        }
    }
    return false;
}

bool Claimer::leave_odd_row(ClaimRequest& request, const pg::Error& error, const std::stop_token& stop) {
    auto& pick = request.task.pick;
    if (pick.suspect) return false;
    if (pick.limit > 1) {
        pick.limit /= 2;
        return true;
    }
    std::int64_t id = 0;
    try {
        auto connection = context_.pool.acquire(stop, connection_wait);
        const auto first = queue::first_to_claim(context_.schema, pick.kind, pick.after, context_.indexed,
                                                 odd_rows_.left(Steady::now()));
        const auto rows = connection->exec(first);
        if (rows.empty()) return true;  // it has gone meanwhile
        id = rows.integer(0, 0);
    } catch (const pg::Error&) {
        return false;
    }
    if (!odd_rows_.leave(id, Steady::now())) return false;
    context_.log.error("memoir.worker.claim_failed",
                       "the database does not let this job be claimed; it is left for 10 min",
                       {{"job_id", id},
                        {"kind", pick.kind},
                        {"error", std::string(error.what())},
                        {"hint", std::string("look at the triggers on memory_jobs")}});
    return true;
}

void Claimer::adopt(ClaimRequest& request, const std::stop_token& stop) {
    const auto statement = queue::adopt(context_.schema, request.claimed_by);
    while (!stop.stop_requested()) {
        try {
            auto connection = context_.pool.acquire(stop, connection_wait);
            request.jobs = queue::jobs(connection->exec(statement), request.claimed_by);
            return;
        } catch (const pg::Error& error) {
            if (!passes_by_itself(error)) return;
            pause(adopt_pause, stop);
        }
    }
}

}  // namespace memoir::work
