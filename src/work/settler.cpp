#include "work/settler.hpp"

#include <algorithm>

#include "base/failpoint.hpp"
#include "base/pause.hpp"
#include "base/random_id.hpp"
#include "endpoint/endpoint.hpp"
#include "memory/memory.hpp"
#include "queue/claim.hpp"
#include "queue/fan_in.hpp"
#include "work/pg_failure.hpp"
#include "work/retry.hpp"

namespace memoir::work {

namespace {

using Index = std::size_t;

// Between two tries of a settle that met somebody else's lock or an absent database.
constexpr Milliseconds first_pause{5}, longest_pause{500};
constexpr Milliseconds connection_wait{5'000};
// A settle that has been tried for this long is told of; not more often than that for all loops together.
constexpr Milliseconds tell_after{10'000}, tell_every{60'000};
// After a claim that the database refused: a grant or the schema was changed under us, and a human acts
// slowly.
constexpr Milliseconds refused_pause{5'000};

std::vector<queue::Fence> fences(std::span<Claim> batch, Members members) {
    std::vector<queue::Fence> rows;
    rows.reserve(members.size());
    for (const auto member : members) rows.push_back(batch[member].fence());
    return rows;
}

std::vector<std::string> sources(std::span<Claim> batch, Members members) {
    std::vector<std::string> pids;
    for (const auto member : members) pids.push_back(batch[member].job().source_pid);
    std::sort(pids.begin(), pids.end());
    pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
    return pids;
}

std::vector<std::int64_t> ids(std::span<Claim> batch, Members members) {
    std::vector<std::int64_t> result;
    for (const auto member : members) result.push_back(batch[member].job().id);
    return result;
}

// Moves the members whose row is in the first column of `result` from `members` to the returned list.
std::vector<Index> take_returned(std::span<Claim> batch, std::vector<Index>& members,
                                 const pg::Result& result) {
    std::vector<std::int64_t> returned;
    for (int row = 0; row < result.rows(); ++row) returned.push_back(result.integer(row, 0));
    std::sort(returned.begin(), returned.end());
    const auto split = std::stable_partition(members.begin(), members.end(), [&](Index member) {
        return !std::binary_search(returned.begin(), returned.end(), batch[member].job().id);
    });
    std::vector<Index> taken(split, members.end());
    members.erase(split, members.end());
    return taken;
}

// How a settle that turned out to stand is counted.
std::string_view name(queue::Meant meant) {
    switch (meant) {
        case queue::Meant::park:
            return "parked";
        case queue::Meant::release:
            return "released";
        case queue::Meant::fail:
            return "failed";
        default:
            return "completed";
    }
}

std::string waiting_reason(const Failure& failure) {
    if (failure.endpoint.empty()) return failure.reason();
    return std::string(queue::waiting_prefix) + failure.endpoint + ": " + failure.reason();
}

bool contains(std::span<const std::string> list, const std::string& text) {
    return std::find(list.begin(), list.end(), text) != list.end();
}

Milliseconds elapsed(const Claim& claim) {
    return std::chrono::duration_cast<Milliseconds>(Steady::now() - claim.run().started());
}

// How long a transaction that ends claims takes, told when it stood.
class Stopwatch {
  public:
    Stopwatch(const Tally& tally, const Claim& claim) : tally_(tally), kind_(claim.job().kind) {}
    void stood() const {
        if (tally_.observer.settled) tally_.observer.settled(kind_, Steady::now() - begun_);
    }

  private:
    const Tally& tally_;
    const std::string kind_;  // the claim may be gone by then
    const TimePoint begun_ = Steady::now();
};

// The rows of a settle are in the heartbeat's eyes on their way out.
class Settling {
  public:
    Settling(ClaimTable& table, std::vector<std::int64_t> rows) : table_(table), rows_(std::move(rows)) {
        table_.settling(rows_, true);
    }
    ~Settling() { table_.settling(rows_, false); }
    Settling(const Settling&) = delete;
    Settling& operator=(const Settling&) = delete;

  private:
    ClaimTable& table_;
    std::vector<std::int64_t> rows_;
};

}  // namespace

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

// --- what became of them
// -------------------------------------------------------------------------------------

void Settler::ended(Claim& claim, std::string_view outcome, std::string_view failure) {
    if (context_.tally.observer.ended)
        context_.tally.observer.ended(
            {claim.job().kind, outcome, failure, Milliseconds(claim.job().waited_ms), elapsed(claim)});
    if (outcome != "parked" && outcome != "released" && outcome != "retried")
        park_history_.forget(claim.job().id);
    claim.settled();
    if (claim.job().suspect) context_.lanes.suspect_settled();
}

void Settler::succeeded(Claim& claim) {
    ++context_.tally.succeeded;
    const auto took = elapsed(claim);
    if (context_.log.wants(telemetry::Level::info)) {
        auto fields = job_fields(claim);
        fields.push_back({"outcome", std::string("succeeded")});
        fields.push_back({"duration_ms", static_cast<std::int64_t>(took.count())});
        context_.log.info("memoir.worker.job_succeeded", "job done", std::move(fields));
    }
    ended(claim, "completed");
}

void Settler::lost(Claim& claim) {
    ++context_.tally.lost;
    context_.log.warning("memoir.worker.lease_lost",
                         "the claim was somebody else's by the time it was to be settled", job_fields(claim));
    ended(claim, "lost");
    claim.forfeit();
}

// The outcome of a commit stays unknown: the row is gone, so it was settled, or forgotten with its memory.
void Settler::over(Claim& claim) {
    auto fields = job_fields(claim);
    fields.push_back({"outcome", std::string("unknown")});
    context_.log.warning("memoir.worker.complete_failed",
                         "the connection was lost during a commit; the row is gone since", std::move(fields));
    ended(claim, "unknown");
    claim.forfeit();
}

// The memory was forgotten: a success, its jobs went with it.
void Settler::gone(Claim& claim) {
    context_.log.debug("memoir.worker.source_missing", "the memory was deleted while its job ran",
                       job_fields(claim));
    succeeded(claim);
    claim.forfeit();
}

// --- trying until it stands
// ----------------------------------------------------------------------------------

void Settler::held_up(const pg::Error& error, TimePoint since) {
    const auto now = Steady::now();
    const auto waited = std::chrono::duration_cast<Milliseconds>(now - since);
    std::vector<telemetry::Field> fields{{"error", std::string(error.what())},
                                         {"waited_ms", static_cast<std::int64_t>(waited.count())}};
    auto told = told_.load();
    const bool due = waited >= tell_after && (told == TimePoint::min() || now - told >= tell_every);
    if (due && told_.compare_exchange_strong(told, now))
        context_.log.warning("memoir.worker.complete_failed",
                             "finished work waits for the database to take its end", std::move(fields));
    else
        context_.log.debug("memoir.worker.complete_failed", "a settle is tried again", std::move(fields));
}

template <typename Do>
bool Settler::repeat(Do&& attempt) {
    auto wait = first_pause;
    const auto begun = Steady::now();
    while (!context_.abandon.stop_requested()) {
        try {
            if (attempt()) return true;
        } catch (const pg::Error& error) {
            if (context_.abandon.stop_requested()) return false;
            if (!passes_by_itself(error) && !dynamic_cast<const pg::UnknownOutcome*>(&error)) throw;
            held_up(error, begun);
        }
        pause(Milliseconds(
                  static_cast<Milliseconds::rep>(static_cast<double>(wait.count()) * (0.5 + random_unit()))),
              context_.abandon);
        wait = std::min(wait * 2, longest_pause);
    }
    return false;
}

void Settler::resolve(std::span<Claim> batch, std::vector<Index>& members, queue::Meant meant) {
    if (members.empty()) return;
    auto connection = context_.pool.acquire(context_.abandon, connection_wait);
    const auto look = queue::look(context_.schema, ids(batch, members), "");
    const auto rows = queue::seen(connection->exec(look));
    std::vector<Index> ours;
    for (const auto member : members) {
        std::optional<queue::Seen> seen;
        for (const auto& row : rows)
            if (row.id == batch[member].job().id) seen = row;
        auto& claim = batch[member];
        switch (queue::resolve(meant, claim.job().claimed_by, seen)) {
            case queue::RowFate::again:
                ours.push_back(member);
                break;
            case queue::RowFate::done:
                if (meant == queue::Meant::fail) {
                    ++context_.tally.failed;
                    context_.log.error("memoir.worker.job_failed",
                                       "job failed for good; memoirctl jobs show tells more",
                                       job_fields(claim));
                }
                ended(claim, name(meant));
                break;
            case queue::RowFate::lost:
                lost(claim);
                break;
            case queue::RowFate::over:
                // Of ours only a removal ends a row; whoever parks, releases or fails one and finds it gone
                // has been told that the memory was forgotten.
                if (meant == queue::Meant::remove)
                    over(claim);
                else
                    gone(claim);
                break;
        }
    }
    members = std::move(ours);
}

// --- complete
// ------------------------------------------------------------------------------------------------

Settler::Completed Settler::complete(std::span<Claim> batch, std::vector<Index> members, Effects* effects,
                                     const Entry& entry) {
    if (members.empty()) return {};
    Settling settling(context_.claims, ids(batch, members));
    if (effects || entry.fan_in) return complete_locked(batch, std::move(members), effects, entry);
    complete_plain(batch, std::move(members));
    return {};
}

void Settler::complete_plain(std::span<Claim> batch, std::vector<Index> members) {
    bool unknown = false;
    repeat([&] {
        if (unknown) resolve(batch, members, queue::Meant::remove);
        if (members.empty()) return true;
        const Stopwatch watch(context_.tally, batch[members.front()]);
        auto connection = context_.pool.acquire(context_.abandon, connection_wait);
        const auto statement =
            queue::remove(context_.schema, fences(batch, members), queue::Commit::asynchronous);
        unknown = true;
        failpoint("settle.committing");
        const auto result = connection->exec(statement);
        failpoint("settle.committed");
        watch.stood();
        for (const auto member : take_returned(batch, members, result)) succeeded(batch[member]);
        // Passed over because somebody has it locked, or not ours any more: the next round looks.
        return members.empty();
    });
}

bool Settler::complete_and_claim(std::span<Claim> batch, ClaimRequest& ask) {
    std::vector<Index> members(batch.size());
    for (Index member = 0; member < members.size(); ++member) members[member] = member;
    Settling settling(context_.claims, ids(batch, members));
    std::vector<pg::Segment> segments(2);
    segments[0].push_back(
        queue::remove(context_.schema, fences(batch, members), queue::Commit::asynchronous));
    segments[1].push_back(claim_statement(ask));
    try {
        const Stopwatch watch(context_.tally, batch.front());
        const auto results = [&] {
            auto connection = context_.pool.acquire(context_.abandon, connection_wait);
            ask.sent = Steady::now();
            return connection->pipeline(segments);
        }();
        if (auto* rows = std::get_if<std::vector<pg::Result>>(&results[1]))
            ask.jobs = queue::jobs(rows->at(0), ask.claimed_by);
        const bool answered = std::holds_alternative<std::vector<pg::Result>>(results[1]);
        if (auto* rows = std::get_if<std::vector<pg::Result>>(&results[0])) {
            watch.stood();
            for (const auto member : take_returned(batch, members, rows->at(0))) succeeded(batch[member]);
        }
        if (!members.empty()) complete_plain(batch, members);
        return answered;
    } catch (const pg::UnknownOutcome&) {
        repeat([&] {
            resolve(batch, members, queue::Meant::remove);
            return true;
        });
        complete_plain(batch, members);
        adopt(ask, context_.abandon);
        return true;
    } catch (const pg::Error&) {
        complete_plain(batch, members);
        return false;
    }
}

Settler::Completed Settler::complete_locked(std::span<Claim> batch, std::vector<Index> members,
                                            Effects* effects, const Entry& entry) {
    using Durability = pg::Transaction::Durability;
    Completed completed;
    std::vector<Index> locked_out;
    bool unknown = false;
    const auto rest = [&](std::vector<Index> part) {
        if (part.empty()) return;
        const auto more = complete_locked(batch, std::move(part), effects, entry);
        completed.redo.insert(completed.redo.end(), more.redo.begin(), more.redo.end());
        completed.failed.insert(completed.failed.end(), more.failed.begin(), more.failed.end());
    };
    // A failure of a job's own is one member's: halves find it, and the others are done.
    const auto failed = [&](const Failure& failure) {
        if (failure.own() && members.size() > 1) {
            const auto middle = members.begin() + static_cast<std::ptrdiff_t>(members.size() / 2);
            rest({members.begin(), middle});
            rest({middle, members.end()});
            return;
        }
        for (const auto member : members) completed.failed.emplace_back(member, failure);
    };
    const auto abandon = [&](std::vector<Index> list) {
        if (effects && !list.empty()) effects->abandoned(list);
    };
    try {
        repeat([&] {
            if (unknown) {
                auto before = members;
                resolve(batch, members, queue::Meant::remove);
                std::erase_if(before, [&](Index member) {
                    return std::find(members.begin(), members.end(), member) != members.end();
                });
                abandon(before);
                unknown = false;
            }
            // Those that somebody has locked come last: they hold up nobody else of the batch.
            if (members.empty()) members = std::exchange(locked_out, {});
            if (members.empty()) return true;
            if (effects) effects->prepare(members, batch[members.front()].run().token());

            std::vector<Index> ready, absent, changed, missing, busy, stale;
            bool whole = false;
            {
                const Stopwatch watch(context_.tally, batch[members.front()]);
                auto connection = context_.pool.acquire(context_.abandon, connection_wait);
                pg::Transaction transaction(*connection, entry.paid ? Durability::on : Durability::off);
                const auto locked = memory::lock(transaction, context_.schema, sources(batch, members));
                for (const auto member : members) {
                    const auto& pid = batch[member].job().source_pid;
                    const auto row = std::find_if(locked.begin(), locked.end(), [&](const auto& candidate) {
                        return candidate.pid == pid;
                    });
                    if (row == locked.end()) {
                        absent.push_back(member);
                        continue;
                    }
                    const auto version = effects ? effects->version(member) : std::string();
                    (version.empty() || version == row->version ? ready : changed).push_back(member);
                }
                if (!absent.empty()) {
                    const auto there = memory::existing(transaction, context_.schema, sources(batch, absent));
                    for (const auto member : absent)
                        (contains(there, batch[member].job().source_pid) ? busy : missing).push_back(member);
                }
                if (!ready.empty()) {
                    // Nobody can be cascading into these rows while we hold their memories: waiting is safe.
                    const auto statement = queue::remove_locked(context_.schema, fences(batch, ready));
                    stale = ready;
                    ready = take_returned(batch, stale, transaction.exec(statement));
                }
                whole = ready.size() == members.size();
                if (whole) {
                    if (effects) effects->apply(transaction, ready);
                    if (entry.fan_in)
                        transaction.defer(queue::fan_in(context_.schema, sources(batch, ready)));
                    unknown = true;
                    failpoint("settle.committing");
                    transaction.commit();
                    failpoint("settle.committed");
                    unknown = false;
                    watch.stood();
                } else {
                    // The effects were prepared for more than is left: roll back, and go on with the others.
                    // Now, because what is done about the lost ones writes the rows that are locked here.
                    transaction.rollback();
                }
            }
            if (whole) {
                if (effects) effects->committed(ready);
                for (const auto member : ready) succeeded(batch[member]);
                if (entry.fan_in) context_.lanes.wake("synthesize");
                members.clear();
                return locked_out.empty();
            }
            for (const auto member : missing) gone(batch[member]);
            for (const auto member : stale) lost(batch[member]);
            abandon(missing);
            abandon(stale);
            completed.redo.insert(completed.redo.end(), changed.begin(), changed.end());
            members = ready;
            locked_out.insert(locked_out.end(), busy.begin(), busy.end());
            return members.empty() && locked_out.empty();
        });
    } catch (const Changed& change) {
        for (const auto member : change.members()) {
            completed.redo.push_back(member);
            std::erase(members, member);
        }
        rest(members);
    } catch (const Failure& failure) {
        failed(failure);
    } catch (const pg::Error& error) {
        if (effects && members.size() == 1 && error.error_class() == pg::ErrorClass::data)
            effects->refused(members);
        failed(to_failure(error));
    }
    rest(std::exchange(locked_out, {}));
    return completed;
}

void Settler::checkpoint(Claim& claim, const std::string& payload, Effects& effects) {
    const std::vector<Index> member{0};
    const auto batch = std::span(&claim, 1);
    const Settling settling(context_.claims, ids(batch, member));
    bool unknown = false, is_lost = false, stood = false;
    const auto attempt = [&] {
        // Whoever the claim goes to does it again; only a commit that may stand has to be known.
        if (!unknown && claim.run().token().stop_requested())
            throw Failure(FailureType::cancelled, "cancelled at a checkpoint");
        if (unknown) {
            auto connection = context_.pool.acquire(context_.abandon, connection_wait);
            const auto look = queue::look(context_.schema, ids(batch, member), payload);
            const auto rows = queue::seen(connection->exec(look));
            const auto verdict = queue::resolve(queue::Meant::checkpoint, claim.job().claimed_by,
                                                rows.empty() ? std::nullopt : std::optional(rows.front()));
            unknown = false;
            if (verdict == queue::RowFate::done) return true;
            is_lost = verdict != queue::RowFate::again;
            if (is_lost) return true;
        }
        effects.prepare(member, claim.run().token());
        auto connection = context_.pool.acquire(context_.abandon, connection_wait);
        pg::Transaction transaction(*connection, pg::Transaction::Durability::on);
        const auto pids = sources(batch, member);
        const auto locked = memory::lock(transaction, context_.schema, pids);
        if (locked.empty()) {
            is_lost = memory::existing(transaction, context_.schema, pids).empty();
            return is_lost;
        }
        const auto version = effects.version(0);
        if (!version.empty() && version != locked.front().version) throw Changed({0});
        const auto statement =
            queue::checkpoint(context_.schema, claim.fence(), claim.job().payload, payload);
        if (transaction.exec(statement).empty()) {
            unknown = true;
            return false;  // the look tells whether it is lost, or stood before
        }
        effects.apply(transaction, member);
        unknown = true;
        failpoint("checkpoint.committing");
        transaction.commit();
        failpoint("checkpoint.committed");
        return true;
    };
    try {
        stood = repeat(attempt);
    } catch (const pg::Error& error) {
        if (error.error_class() == pg::ErrorClass::data) effects.refused(member);
        throw;
    }
    if (!stood || is_lost) throw Failure(FailureType::cancelled, "the claim was lost at a checkpoint");
    effects.committed(member);
    claim.payload(payload);
    claim.run().restart(Steady::now());
}

// --- the other ends
// ------------------------------------------------------------------------------------------

void Settler::end(std::span<Claim> batch, std::span<const std::pair<Index, Failure>> failures,
                  const Entry& entry) {
    std::vector<Parting> parks;
    std::vector<Index> releases;
    const auto plan = context_.plan();
    for (const auto& [member, told] : failures) {
        auto& claim = batch[member];
        const auto& job = claim.job();
        auto failure = told;
        if (failure.spared && park_history_.times(job.id) > 0) {
            failure = Failure(FailureType::job, told.reason());
            failure.endpoint = told.endpoint;
        }
        Milliseconds wait{0};
        for (const auto* needed : entry.needs)
            if (needed->snapshot().name == failure.endpoint) wait = needed->park_for();
        auto decision = decide(failure, job.attempts, wait, plan->options, random_unit());
        switch (decision.end) {
            case Decision::End::park: {
                const bool waits = decision.attempts == 0;
                auto reason = waits ? waiting_reason(failure) : failure.reason();
                if (waits && failure.type() != FailureType::throttled) {
                    const int times = park_history_.came_back(job.id, Steady::now());
                    if (times > ParkHistory::patience) {
                        // Under another reason, or whoever finds its backend well would bring it back at
                        // once.
                        decision.delay = ParkHistory::delay(times, decision.delay);
                        reason = failure.reason() + ", " + std::to_string(times) + " times in a row";
                    }
                }
                parks.push_back({member,
                                 {claim.fence(), decision.delay, decision.attempts, std::move(reason)},
                                 failure.type()});
                break;
            }
            case Decision::End::fail:
                fail(claim, failure, entry);
                continue;
            case Decision::End::release:
                releases.push_back(member);
                continue;
        }
        auto fields = job_fields(claim);
        fields.push_back({"outcome", std::string(decision.attempts > 0 ? "retry" : "parked")});
        fields.push_back({"error", failure.reason()});
        fields.push_back({"failure_type", std::string(to_string(failure.type()))});
        fields.push_back({"delay_ms", static_cast<std::int64_t>(decision.delay.count())});
        fields.push_back({"duration_ms", static_cast<std::int64_t>(elapsed(claim).count())});
        if (!failure.endpoint.empty()) fields.push_back({"endpoint", failure.endpoint});
        if (!failure.hint.empty()) fields.push_back({"hint", failure.hint});
        if (decision.attempts > 0)
            context_.log.warning("memoir.worker.job_failed", "job failed and will be tried again",
                                 std::move(fields));
        else
            context_.log.info("memoir.worker.job_parked", "job waits for its backend, no attempt counted",
                              std::move(fields));
    }
    park(batch, parks);
    release(batch, std::move(releases));
}

void Settler::park(std::span<Claim> batch, const std::vector<Parting>& rows) {
    if (rows.empty()) return;
    std::vector<Index> members;
    for (const auto& row : rows) members.push_back(row.member);
    Settling settling(context_.claims, ids(batch, members));
    bool unknown = false;
    repeat([&] {
        if (unknown) resolve(batch, members, queue::Meant::park);
        std::vector<queue::Park> left;
        for (const auto& parting : rows)
            if (std::find(members.begin(), members.end(), parting.member) != members.end())
                left.push_back(parting.row);
        if (left.empty()) return true;
        const Stopwatch watch(context_.tally, batch[members.front()]);
        auto connection = context_.pool.acquire(context_.abandon, connection_wait);
        const auto statement = queue::park(context_.schema, left);
        unknown = true;
        const auto result = connection->exec(statement);
        watch.stood();
        for (const auto member : take_returned(batch, members, result)) {
            const auto parting = std::find_if(rows.begin(), rows.end(),
                                              [&](const auto& each) { return each.member == member; });
            const bool retry = parting->row.attempts > 0;
            ++(retry ? context_.tally.retried : context_.tally.parked);
            context_.parked(parting->row.delay);
            ended(batch[member], retry ? "retried" : "parked", to_string(parting->type));
        }
        return members.empty();
    });
}

void Settler::release(std::span<Claim> batch, std::vector<Index> members) {
    if (members.empty()) return;
    Settling settling(context_.claims, ids(batch, members));
    bool unknown = false;
    repeat([&] {
        if (unknown) resolve(batch, members, queue::Meant::release);
        if (members.empty()) return true;
        const Stopwatch watch(context_.tally, batch[members.front()]);
        auto connection = context_.pool.acquire(context_.abandon, connection_wait);
        const auto statement = queue::release(context_.schema, fences(batch, members));
        unknown = true;
        const auto result = connection->exec(statement);
        watch.stood();
        for (const auto member : take_returned(batch, members, result)) {
            auto& claim = batch[member];
            ++context_.tally.released;
            context_.log.info("memoir.worker.job_released", "job handed back, no attempt counted",
                              job_fields(claim));
            context_.lanes.found(claim.job().kind, claim.job().position);
            ended(claim, "released");
        }
        return members.empty();
    });
}

void Settler::fail(Claim& claim, const Failure& failure, const Entry& entry) {
    const auto batch = std::span(&claim, 1);
    std::vector<Index> members{0};
    Settling settling(context_.claims, ids(batch, members));
    bool unknown = false, failed = false;
    repeat([&] {
        if (unknown) resolve(batch, members, queue::Meant::fail);
        if (members.empty()) return true;
        const Stopwatch watch(context_.tally, claim);
        auto connection = context_.pool.acquire(context_.abandon, connection_wait);
        pg::Transaction transaction(*connection, pg::Transaction::Durability::on);
        const auto pids = sources(batch, members);
        if (memory::lock(transaction, context_.schema, pids).empty()) {
            if (!memory::existing(transaction, context_.schema, pids).empty()) return false;
            gone(claim);
            return true;
        }
        const queue::Fail row{claim.fence(), failure.reason()};
        const auto statement = queue::fail(context_.schema, std::span(&row, 1));
        if (transaction.exec(statement).empty()) {
            unknown = true;
            return false;
        }
        if (entry.when_failed) entry.when_failed(transaction, claim.job().source_pid);
        unknown = true;
        transaction.commit();
        watch.stood();
        failed = true;
        return true;
    });
    if (!failed) return;
    ++context_.tally.failed;
    auto fields = job_fields(claim);
    fields.push_back({"outcome", std::string("failed")});
    fields.push_back({"error", failure.reason()});
    fields.push_back({"failure_type", std::string(to_string(failure.type()))});
    fields.push_back({"duration_ms", static_cast<std::int64_t>(elapsed(claim).count())});
    context_.log.error("memoir.worker.job_failed", "job failed for good; memoirctl jobs show tells more",
                       std::move(fields));
    ended(claim, "failed", to_string(failure.type()));
}

// --- claim
// ---------------------------------------------------------------------------------------------------

pg::Statement Settler::claim_statement(const ClaimRequest& ask) const {
    if (ask.task.pick.suspect)
        return queue::claim_suspect(context_.schema, ask.claimed_by, ask.task.pick.kind);
    return queue::claim(context_.schema, ask.claimed_by, ask.task.pick.kind, ask.task.pick.after,
                        ask.task.pick.limit, context_.indexed);
}

bool Settler::claim(ClaimRequest& ask, const std::stop_token& stop) {
    try {
        auto connection = context_.pool.acquire(stop, connection_wait);
        const auto statement = claim_statement(ask);
        ask.sent = Steady::now();
        ask.jobs = queue::jobs(connection->exec(statement), ask.claimed_by);
        return true;
    } catch (const pg::UnknownOutcome&) {
        adopt(ask, context_.abandon);
        return true;
    } catch (const pg::Error& error) {
        if (stop.stop_requested()) return false;
        const bool passes = passes_by_itself(error);
        std::vector<telemetry::Field> fields{{"kind", ask.task.pick.kind},
                                             {"error", std::string(error.what())}};
        if (passes) {
            context_.log.debug("memoir.worker.claim_failed", "a claim was not answered", std::move(fields));
        } else {
            context_.log.warning("memoir.worker.claim_failed", "the database refuses claims",
                                 std::move(fields));
            pause(refused_pause, stop);
        }
        return false;
    }
}

// The reply of a claim was lost: its rows, if it took any, carry its number. What commits later than this
// look is found by a heartbeat.
void Settler::adopt(ClaimRequest& ask, const std::stop_token& stop) {
    const auto statement = queue::adopt(context_.schema, ask.claimed_by);
    while (!stop.stop_requested()) {
        try {
            auto connection = context_.pool.acquire(stop, connection_wait);
            ask.jobs = queue::jobs(connection->exec(statement), ask.claimed_by);
            return;
        } catch (const pg::Error& error) {
            if (!passes_by_itself(error)) return;
            pause(longest_pause, stop);
        }
    }
}

}  // namespace memoir::work
