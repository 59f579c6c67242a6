#include "work/give_back.hpp"

#include <algorithm>

#include "base/random_id.hpp"
#include "endpoint/endpoint.hpp"
#include "memory/memory.hpp"
#include "queue/uncharge.hpp"
#include "work/locked_completion.hpp"
#include "work/resolve.hpp"

namespace memoir::work {

namespace {

// As memoirctl knows it from: a reason that begins so names what the job waits for.
std::string waiting_reason(const Failure& failure) {
    if (failure.endpoint.empty()) return failure.reason();
    return std::string(queue::waiting_prefix) + failure.endpoint + ": " + failure.reason();
}

// Enough for another job to be tried first once the endpoint's probe has passed.
constexpr Milliseconds behind_others{500};

const endpoint::Endpoint* endpoint_of(const Entry& entry, const Failure& failure) {
    const auto found = std::ranges::find_if(
        entry.needs, [&](const auto* needed) { return needed->name() == failure.endpoint; });
    return found == entry.needs.end() ? nullptr : *found;
}

Milliseconds wait_of(const Entry& entry, const Failure& failure) {
    const auto* endpoint = endpoint_of(entry, failure);
    return endpoint && !endpoint::is_unconfirmed(failure) ? endpoint->park_for() : Milliseconds(0);
}

}  // namespace

void GiveBack::end(std::span<Claim> batch, std::span<const std::pair<Index, Failure>> failures,
                   const Entry& entry) {
    std::vector<Parting> parks;
    std::vector<Index> releases;
    const auto plan = context_.plan();
    const auto decide_for = [&](const Claim& claim, const Failure& failure) {
        return decide(failure, claim.job().attempts, wait_of(entry, failure), plan->options, random_unit());
    };
    for (const auto& [member, told] : failures) {
        auto& claim = batch[member];
        auto failure = told;
        const bool met_together =
            failure.spared && failure.type() == FailureType::outage && !failure.of_account;
        if (met_together && history_.times(claim.job().id) > 0) {
            failure = Failure(FailureType::job, told.reason());
            failure.endpoint = told.endpoint;
        }
        if (endpoint::is_unconfirmed(failure) || endpoint::is_of_everybody(failure))
            history_.refused(claim.job().id, Steady::now());
        auto decision = decide_for(claim, failure);
        const auto* refuser = endpoint::is_unconfirmed(failure) ? endpoint_of(entry, failure) : nullptr;
        // Meanwhile it has turned out to be everybody's.
        if (refuser && !refuser->allows_claims())
            decision = {Decision::End::park, refuser->park_for() + behind_others, 0};
        if (decision.end == Decision::End::fail) {
            if (const auto wait = braked(claim, failure); wait.count() > 0)
                decision = {Decision::End::park, wait, 0};
        }
        if (decision.end == Decision::End::fail) {
            const auto hindered = fail(claim, failure, entry);
            if (!hindered) continue;
            failure = *hindered;
            decision = decide_for(claim, failure);
        }
        if (decision.end == Decision::End::release) {
            releases.push_back(member);
            continue;
        }
        parks.push_back(parting(claim, member, failure, decision, entry));
        tell(claim, failure, parks.back());
    }
    park(batch, parks);
    release(batch, std::move(releases));
    for (auto* needed : entry.needs) uncharge(needed->take_charged());
}

// Where an endpoint was involved it has said whose fault it is.
Milliseconds GiveBack::braked(const Claim& claim, const Failure& failure) {
    if (!failure.endpoint.empty()) return Milliseconds(0);
    const auto& kind = claim.job().kind;
    const auto answer = brake_.may_fail(kind, failure.reason(), Steady::now());
    if (answer.pulled)
        context_.log.warning(
            "memoir.worker.brake",
            "many jobs of a kind would fail for the same cause; the others wait, and few fail in a minute",
            {{"kind", kind},
             {"error", failure.reason()},
             {"hint",
              std::string("`memoirctl jobs list --by-cause` shows them; mend the cause, then `memoirctl "
                          "jobs retry --cause REASON`")}});
    return answer.wait;
}

// Asynchronous, and for once: what is not taken back is an attempt too many, and no more than that.
void GiveBack::uncharge(const std::vector<std::int64_t>& jobs) {
    if (jobs.empty()) return;
    try {
        auto connection = context_.pool.acquire(context_.abandon, connection_wait);
        connection->exec(queue::uncharge(context_.schema, jobs));
    } catch (const pg::Error& error) {
        context_.log.warning(
            "memoir.worker.uncharge_failed",
            "attempts of jobs that a backend refused together are still counted",
            {{"jobs", static_cast<std::int64_t>(jobs.size())}, {"error", std::string(error.what())}});
    }
}

GiveBack::Parting GiveBack::parting(const Claim& claim, Index member, const Failure& failure,
                                    Decision decision, const Entry& entry) {
    const bool waits = decision.attempts == 0;
    auto reason = waits && !endpoint::is_unconfirmed(failure) ? waiting_reason(failure) : failure.reason();
    if (waits) {
        const auto* endpoint = endpoint_of(entry, failure);
        const auto served = endpoint ? std::optional(endpoint->served()) : std::nullopt;
        if (endpoint && !endpoint::is_unconfirmed(failure) && history_.was_refused(claim.job().id)) {
            // Behind those that were not tried yet: the same ones would be refused for all others for ever.
            decision.delay = endpoint->park_for() + behind_others;
            reason = failure.reason();
        }
        const int times = history_.came_back(claim.job().id, Steady::now(), served);
        if (times > ParkHistory::patience) {
            // Under another reason, or a host that finds the backend well would bring it back at once.
            decision.delay = ParkHistory::delay(times, decision.delay);
            reason = failure.reason() + ", " + std::to_string(times) + " times in a row";
        }
    }
    return {member, {claim.fence(), decision.delay, decision.attempts, std::move(reason)}, failure.type()};
}

void GiveBack::tell(const Claim& claim, const Failure& failure, const Parting& parting) {
    const bool retry = parting.row.attempts > 0;
    auto fields = job_fields(claim);
    fields.push_back({"outcome", std::string(retry ? "retry" : "parked")});
    fields.push_back({"error", failure.reason()});
    fields.push_back({"failure_type", std::string(to_string(failure.type()))});
    fields.push_back({"delay_ms", static_cast<std::int64_t>(parting.row.delay.count())});
    fields.push_back({"duration_ms", static_cast<std::int64_t>(Outcomes::elapsed(claim).count())});
    if (!failure.endpoint.empty()) fields.push_back({"endpoint", failure.endpoint});
    if (!failure.hint.empty()) fields.push_back({"hint", failure.hint});
    if (retry)
        context_.log.warning("memoir.worker.job_failed", "job failed and will be retried", std::move(fields));
    else
        context_.log.info("memoir.worker.job_parked", "job parked, no attempt counted", std::move(fields));
}

void GiveBack::park(std::span<Claim> batch, const std::vector<Parting>& rows) {
    if (rows.empty()) return;
    std::vector<Index> members;
    for (const auto& row : rows) members.push_back(row.member);
    Settling settling(context_.claims, ids(batch, members));
    bool unknown = false;
    persist_.until_it_stands([&] {
        if (unknown) resolve(context_, outcomes_, batch, members, queue::Meant::park);
        std::vector<queue::Park> left;
        for (const auto& parting : rows)
            if (std::ranges::find(members, parting.member) != members.end()) left.push_back(parting.row);
        if (left.empty()) return true;
        const Stopwatch watch(context_.tally, batch[members.front()]);
        auto connection = context_.pool.acquire(context_.abandon, connection_wait);
        const auto statement = queue::park(context_.schema, left);
        unknown = true;
        const auto result = connection->exec(statement);
        watch.stood();
        for (const auto member : take_returned(batch, members, result)) {
            const auto parting = std::ranges::find(rows, member, &Parting::member);
            if (parting->row.attempts > 0)
                outcomes_.retried(batch[member], parting->row.delay, parting->type);
            else
                outcomes_.parked(batch[member], parting->row.delay, parting->type);
        }
        return members.empty();
    });
}

void GiveBack::release(std::span<Claim> batch, std::vector<Index> members) {
    if (members.empty()) return;
    Settling settling(context_.claims, ids(batch, members));
    bool unknown = false;
    persist_.until_it_stands([&] {
        if (unknown) resolve(context_, outcomes_, batch, members, queue::Meant::release);
        if (members.empty()) return true;
        const Stopwatch watch(context_.tally, batch[members.front()]);
        auto connection = context_.pool.acquire(context_.abandon, connection_wait);
        const auto statement = queue::release(context_.schema, fences(batch, members));
        unknown = true;
        const auto result = connection->exec(statement);
        watch.stood();
        for (const auto member : take_returned(batch, members, result)) outcomes_.released(batch[member]);
        return members.empty();
    });
}

std::optional<Failure> GiveBack::fail(Claim& claim, const Failure& failure, const Entry& entry) {
    Settling settling(context_.claims, {claim.job().id});
    bool unknown = false, with_effects = true;
    const auto give_up_at = Steady::now() + LockedCompletion::longest_lock_wait;
    std::optional<Failure> hindered;
    const auto attempt = [&] {
        if (fail_once(claim, failure, entry, with_effects, unknown)) return true;
        if (unknown || Steady::now() < give_up_at) return false;
        hindered = locked_out(LockedCompletion::longest_lock_wait);
        return true;
    };
    try {
        persist_.until_it_stands(attempt);
    } catch (const pg::Error& error) {
        // The database refuses what the kind changes at its end (a trigger that raises): the job must not be
        // tried for ever for it.
        context_.log.warning(
            "memoir.worker.fail_failed",
            "the database rejects the final change of a failed job; the job fails without it",
            {{"job_id", claim.job().id}, {"error", std::string(error.what())}});
        with_effects = false;
        persist_.until_it_stands(attempt);
    }
    return hindered;
}

// True when the job has ended, or is no longer ours.
bool GiveBack::fail_once(Claim& claim, const Failure& failure, const Entry& entry, bool with_effects,
                         bool& unknown) {
    const auto batch = std::span(&claim, 1);
    std::vector<Index> members{0};
    if (unknown) resolve(context_, outcomes_, batch, members, queue::Meant::fail);
    if (members.empty()) return true;
    unknown = false;
    const Stopwatch watch(context_.tally, claim);
    auto connection = context_.pool.acquire(context_.abandon, connection_wait);
    pg::Transaction transaction(*connection, pg::Transaction::Durability::on);
    const auto pids = sources(batch, members);
    if (memory::lock(transaction, context_.schema, pids).empty()) {
        if (!memory::existing(transaction, context_.schema, pids).empty()) return false;
        outcomes_.source_deleted(claim);
        return true;
    }
    const queue::Fail row{claim.fence(), failure.reason()};
    const auto statement = queue::fail(context_.schema, std::span(&row, 1));
    if (transaction.exec(statement).empty()) {
        unknown = true;
        return false;
    }
    if (with_effects && entry.when_failed) entry.when_failed(transaction, pids);
    unknown = true;
    transaction.commit();
    watch.stood();
    outcomes_.failed(claim, failure);
    return true;
}

}  // namespace memoir::work
