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

pg::Statement Claimer::statement(const ClaimRequest& request) const {
    const auto& pick = request.task.pick;
    if (pick.suspect) return queue::claim_suspect(context_.schema, request.claimed_by, pick.kind);
    return queue::claim(context_.schema, request.claimed_by, pick.kind, pick.after, pick.limit,
                        context_.indexed);
}

bool Claimer::claim(ClaimRequest& request, const std::stop_token& stop) {
    try {
        auto connection = context_.pool.acquire(stop, connection_wait);
        const auto claim = statement(request);
        request.sent = Steady::now();
        request.jobs = queue::jobs(connection->exec(claim), request.claimed_by);
        return true;
    } catch (const pg::UnknownOutcome&) {
        adopt(request, context_.abandon);
        return true;
    } catch (const pg::Error& error) {
        if (stop.stop_requested()) return false;
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
