#include "work/loop.hpp"

#include <algorithm>
#include <boost/core/demangle.hpp>

#include "base/pause.hpp"
#include "endpoint/endpoint.hpp"
#include "work/pg_failure.hpp"

namespace memoir::work {

namespace {
// How often a job starts over because its memory changed under it before that counts as an attempt
// (docs/architecture.md, "Two stores").
constexpr int most_rounds = 5;
// Thrown out of a batch that met an unexpected error: each of its jobs is tried by itself.
struct TryAlone {};

// Its text is ours only where the exception is: others may quote what they choked on.
Failure unexpected(const std::exception& error) {
    if (const auto* failure = dynamic_cast<const Failure*>(&error))
        return {FailureType::job, failure->reason()};
    if (const auto* refused = dynamic_cast<const pg::Error*>(&error)) return to_failure(*refused);
    return {FailureType::job, "unexpected error: " + boost::core::demangle(typeid(error).name())};
}

// After a claim that the database did not answer; the pool's own back-off does the rest.
constexpr Milliseconds unanswered_pause{100};
}  // namespace

Loop::Loop(Context& context, Settler& settler, std::string lane, int number, std::stop_token drain)
    : context_(context),
      settler_(settler),
      lane_(std::move(lane)),
      number_(number),
      drain_(std::move(drain)) {}

void Loop::run() {
    endpoint::Endpoint::set_wait_hook([this](bool waits) {
        if (running_) running_->waiting(waits, Steady::now());
    });
    std::optional<Batch> batch;
    while (batch || !over_) {
        running_ = batch ? batch->run : nullptr;
        try {
            if (batch) {
                auto current = std::move(*batch);
                batch.reset();
                batch = work(std::move(current));
            } else {
                batch = take();
            }
        } catch (const std::exception& error) {
            // The loop's edge: whatever was held is let go and handed back by the next heartbeat.
            context_.log.error(
                "memoir.worker.aborted", "a batch ended in an unexpected error",
                {{"worker", lane_ + "." + std::to_string(number_)}, {"error", unexpected(error).reason()}});
            batch.reset();
            if (!context_.claims.holds_suspect()) context_.lanes.suspect_settled();
            context_.let_go();
            pause(unanswered_pause, drain_);
        }
    }
}

// Room at every backend that the kind needs, or none at all: what is claimed can run. A kind with a model
// spends its time there: a place kept at the others meanwhile would be one that nobody uses.
std::optional<Loop::Room> Loop::reserve(const Task& task) {
    Room room;
    const auto& entry = task.plan->registry.at(task.pick.kind);
    for (auto* needed : entry.needs) {
        const bool in_passing = entry.model && needed != entry.model;
        if (in_passing && needed->allows_claims()) continue;
        auto permit = in_passing ? std::nullopt : needed->reserve();
        if (!permit) {
            // Full: it says when a permit comes free. Paced: it is known when.
            const auto wait = std::max(needed->claims_in(), Milliseconds(1));
            context_.lanes.hold_back(
                task.pick,
                Steady::now() + (needed->allows_claims() ? task.plan->options.poll_interval : wait));
            return std::nullopt;
        }
        room.push_back(std::move(*permit));
    }
    return room;
}

std::optional<Loop::Batch> Loop::answered(std::unique_ptr<ClaimRequest> request, Room room) {
    const auto rows = static_cast<int>(request->jobs.size());
    const auto& [pick, plan] = request->task;
    context_.lanes.claimed(pick, rows, rows > 0 ? request->jobs.back().position : queue::Position{});
    if (rows == 0) return std::nullopt;
    context_.tally.claimed += request->jobs.size();
    if (context_.tally.observer.claimed) context_.tally.observer.claimed(pick.kind, rows);
    Batch batch;
    batch.plan = plan;
    batch.room = std::move(room);
    batch.run = std::make_shared<Run>(lane_ + "." + std::to_string(number_), Steady::now(),
                                      plan->options.job_timeout, plan->registry.at(pick.kind).model);
    batch.claims.reserve(request->jobs.size());
    for (auto& job : request->jobs)
        batch.claims.emplace_back(std::move(job), batch.run, context_.claims, request->sent);
    if (drain_.stop_requested()) {
        // The claim was on its way when the drain began: what it brought is not begun any more.
        settler_.give_back().release(batch.claims, everyone(batch.claims.size()));
        return std::nullopt;
    }
    for (const auto& claim : batch.claims)
        if (context_.log.wants(telemetry::Level::debug))
            context_.log.debug("memoir.worker.job_started", "job started", job_fields(claim));
    return batch;
}

std::optional<Loop::Batch> Loop::take() {
    auto task = context_.lanes.next(lane_, drain_);
    over_ = !task;
    if (!task) return std::nullopt;
    auto room = reserve(*task);
    if (!room) return std::nullopt;
    auto request = settler_.claimer().request(*task, lane_, number_);  // the task outlives the room
    if (settler_.claimer().claim(*request, drain_)) return answered(std::move(request), std::move(*room));
    context_.lanes.unanswered(request->task.pick);
    pause(unanswered_pause, drain_);
    return std::nullopt;
}

std::optional<Loop::Batch> Loop::work(Batch batch) {
    const auto& entry = batch.plan->registry.at(batch.claims.front().job().kind);
    if (!entry.stage && !entry.no_op_event.empty() && context_.log.wants(telemetry::Level::debug))
        for (const auto& claim : batch.claims)
            context_.log.debug(entry.no_op_event, "completed as a no-op: not configured here",
                               job_fields(claim));
    if (!entry.stage && !entry.fan_in) return no_ops(batch);
    serve(batch, entry);
    return std::nullopt;
}

std::optional<Loop::Batch> Loop::no_ops(Batch& batch) {
    auto task = drain_.stop_requested() ? std::nullopt : context_.lanes.next_now(lane_);
    auto room = task ? reserve(*task) : std::nullopt;
    if (!room) {
        settler_.completer().complete(batch.claims, everyone(batch.claims.size()), nullptr, {});
        return std::nullopt;
    }
    auto request = settler_.claimer().request(*task, lane_, number_);  // the task outlives the room
    if (settler_.completer().complete_and_claim(batch.claims, *request))
        return answered(std::move(request), std::move(*room));
    context_.lanes.unanswered(request->task.pick);
    return std::nullopt;
}

Result Loop::stage(std::span<Claim> claims, const Entry& entry, const Run& run) {
    Result result;
    result.failures.resize(claims.size());
    if (!entry.stage) return result;
    const auto all_failed = [&](const Failure& failure) {
        result.effects.reset();
        for (auto& slot : result.failures) slot = failure;
    };
    try {
        const endpoint::OnBehalf jobs(ids(claims, everyone(claims.size())));
        result = entry.stage->run(claims, settler_, run.token());
    } catch (const Failure& failure) {
        all_failed(failure);
    } catch (const pg::Error& error) {
        // The database itself is away: nothing to charge, nothing to wait for but the database.
        if (passes_by_itself(error))
            all_failed(Failure(FailureType::cancelled, error.what()));
        else
            all_failed(to_failure(error));
    } catch (const std::bad_alloc&) {
        all_failed(Failure(FailureType::outage, "out of memory"));
    } catch (const Changed&) {
        throw;
    } catch (const std::exception& error) {
        // A defect that one job's data provokes: found alone it costs that job an attempt, and not its batch.
        if (claims.size() > 1) throw TryAlone();
        all_failed(unexpected(error));
    }
    return result;
}

void Loop::serve(Batch& batch, const Entry& entry) {
    try {
        serve_together(batch, entry);
    } catch (const TryAlone&) {
        for (auto& claim : batch.claims) {
            Batch alone{batch.plan, {}, batch.run, {}};
            alone.claims.push_back(std::move(claim));
            try {
                serve_together(alone, entry);
            } catch (const std::exception& error) {
                abort(alone.claims, entry, error);
            }
        }
    } catch (const std::exception& error) {
        abort(batch.claims, entry, error);
    }
}

// Something that no failure type describes, a settle that the database refuses above all: it costs those that
// are still held an attempt, so that it comes to an end.
void Loop::abort(std::vector<Claim>& claims, const Entry& entry, const std::exception& error) {
    const auto failure = unexpected(error);
    context_.log.error("memoir.worker.aborted", "a batch ended in an unexpected error",
                       {{"worker", lane_ + "." + std::to_string(number_)}, {"error", failure.reason()}});
    std::vector<std::pair<Index, Failure>> failures;
    for (const auto member : everyone(claims.size()))
        if (!claims[member].lost()) failures.emplace_back(member, failure);
    settler_.give_back().end(claims, failures, entry);
}

void Loop::serve_together(Batch& batch, const Entry& entry) {
    std::vector<std::pair<std::size_t, Failure>> failures;
    // Claims are moved to a list of their own when a part of the batch goes round again.
    auto& claims = batch.claims;
    for (int round = 1; !claims.empty(); ++round) {
        Result result;
        bool changed = false;
        try {
            result = stage(claims, entry, *batch.run);
        } catch (const Changed&) {
            changed = true;
            result.failures.resize(claims.size());
        }
        std::vector<std::size_t> done;
        for (std::size_t member = 0; member < claims.size(); ++member) {
            if (changed) continue;
            if (result.failures[member])
                failures.emplace_back(member, *result.failures[member]);
            else
                done.push_back(member);
        }
        auto completed = settler_.completer().complete(claims, std::move(done), result.effects.get(), entry);
        for (std::size_t member = 0; changed && member < claims.size(); ++member)
            completed.redo.push_back(member);
        failures.insert(failures.end(), completed.failed.begin(), completed.failed.end());
        if (round == most_rounds)
            for (const auto member : std::exchange(completed.redo, {}))
                failures.emplace_back(
                    member, Failure(FailureType::job, "the memory changed " + std::to_string(most_rounds) +
                                                          " times while it was worked on"));
        // What cancelled the run says what its failures mean.
        const auto cause = batch.run->cause();
        for (auto& [member, failure] : failures) {
            const bool own = failure.type() == FailureType::job || failure.type() == FailureType::cancelled;
            if (cause == Cause::deadline && own)
                failure =
                    Failure(FailureType::job, "exceeded its deadline of " +
                                                  std::to_string(batch.run->limit().count() / 1000) + " s");
            else if (cause != Cause::none && failure.type() != FailureType::permanent)
                failure = Failure(FailureType::cancelled, failure.reason());
        }
        settler_.give_back().end(claims, failures, entry);
        // What was written for them before they failed is nobody's to put right but ours.
        std::vector<std::size_t> forfeited;
        for (const auto& [member, failure] : failures)
            if (claims[member].forfeited()) forfeited.push_back(member);
        if (result.effects && !forfeited.empty()) result.effects->abandoned(forfeited);
        failures.clear();
        std::vector<Claim> again;
        for (const auto member : completed.redo) again.push_back(std::move(claims[member]));
        claims = std::move(again);
    }
}

}  // namespace memoir::work
