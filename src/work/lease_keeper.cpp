#include "work/lease_keeper.hpp"

#include <algorithm>

#include "base/random_id.hpp"
#include "memory/memory.hpp"
#include "memory/staging.hpp"
#include "queue/fan_in.hpp"
#include "queue/keep.hpp"
#include "work/pg_failure.hpp"
#include "work/retry.hpp"

namespace memoir::work {

namespace {
constexpr Milliseconds first_reconnect{100};
// Timers of parked jobs are a little late rather than early: a look before the due time finds nothing.
constexpr Milliseconds due_slack{5};
// Of lost fan-ins in one heartbeat: it has its lease to renew.
constexpr int most_repairs = 20;
// How long a stop lets the statement under way be answered. A heartbeat that is cut may be carried out by the
// server all the same, and write the process into memoird_hosts after the drain took it out.
constexpr Milliseconds last_word{250};
}  // namespace

Milliseconds LeaseKeeper::interval(Milliseconds lease) {
    return std::min(lease / 3, Milliseconds(10'000));
}

Milliseconds LeaseKeeper::longest_reconnect(Milliseconds lease) {
    return interval(lease) / 2;
}

LeaseKeeper::LeaseKeeper(Context& context, pg::ConnectOptions database, std::function<pg::Segment()> extra)
    : context_(context), database_(std::move(database)), extra_(std::move(extra)) {}

LeaseKeeper::~LeaseKeeper() {
    cut_.request_stop();
}

void LeaseKeeper::start() {
    thread_ = std::jthread([this](const std::stop_token& stop) {
        run(stop);
        std::lock_guard lock(mutex_);
        ended_ = true;
        wake_.notify_all();
    });
}

void LeaseKeeper::nudge() {
    std::lock_guard lock(mutex_);
    nudged_ = true;
    wake_.notify_one();
}

void LeaseKeeper::due_in(Milliseconds delay) {
    std::lock_guard lock(mutex_);
    due_.push(Steady::now() + delay + due_slack);
    wake_.notify_one();
}

TimePoint LeaseKeeper::next_wake(TimePoint beat) const {
    return due_.empty() ? beat : std::min(beat, due_.top());
}

void LeaseKeeper::run(const std::stop_token& stop) {
    const auto every = interval(context_.lease);
    auto beat = Steady::now();
    while (!stop.stop_requested()) {
        bool due = false, nudged = false;
        {
            std::unique_lock lock(mutex_);
            // A job that is parked meanwhile may be due earlier than what is waited for.
            const auto until = next_wake(beat);
            wake_.wait_until(lock, stop, until, [&] { return nudged_ || next_wake(beat) < until; });
            if (stop.stop_requested()) break;
            nudged = std::exchange(nudged_, false);
            while (!due_.empty() && due_.top() <= Steady::now()) {
                due_.pop();
                due = true;
            }
        }
        const bool beating = nudged || Steady::now() >= beat;
        if (Steady::now() >= beat) {
            // Jittered downwards, so that a fleet started as one does not beat as one.
            beat = Steady::now() + Milliseconds(static_cast<Milliseconds::rep>(
                                       static_cast<double>(every.count()) * (0.9 + 0.1 * random_unit())));
        }
        try {
            if (connect()) {
                if (beating) heartbeat();
                if (due || beating) unpark(beating ? able_kinds() : std::vector<std::string>());
                if (beating && !nudged) recover();
                if (beating && !nudged && context_.plan()->has_graph) repair_fan_in();
                failures_ = 0;
            }
        } catch (const pg::Error& error) {
            failed(error, "heartbeat");
        }
        const auto limit = context_.lease * 5 / 6;
        const auto cancelled = context_.claims.cancel_unrenewed(Steady::now(), limit);
        if (cancelled > 0)
            context_.log.error("memoir.worker.lease_lost",
                               "no heartbeat has succeeded for 5/6 of the lease: running jobs are cancelled",
                               {{"jobs", static_cast<std::int64_t>(cancelled)}});
        if (!connection_) beat = std::min(beat, std::max(next_connect_, Steady::now() + first_reconnect));
    }
}

bool LeaseKeeper::connect() {
    if (connection_ && !connection_->broken()) return true;
    connection_.reset();
    if (Steady::now() < next_connect_) return false;
    connection_ = pg::Connection::connect(database_, cut_.get_token());
    connection_->stop_with(cut_.get_token());
    return true;
}

void LeaseKeeper::failed(const pg::Error& error, const char* what) {
    if (!connection_ || connection_->broken() || error.error_class() == pg::ErrorClass::connection)
        connection_.reset();
    ++failures_;
    healthy_since_ = TimePoint::max();
    first_look_.clear();
    next_connect_ = Steady::now() +
                    back_off(failures_, first_reconnect, longest_reconnect(context_.lease), random_unit());
    context_.log.warning("memoir.worker.lease_recovery_failed", "heartbeat query failed",
                         {{"operation", std::string(what)}, {"error", std::string(error.what())}});
}

void LeaseKeeper::heartbeat() {
    const auto sent = Steady::now();
    const auto ids = context_.claims.to_renew(sent);
    const auto process = context_.identity.process();
    std::vector<pg::Segment> segments;
    if (!ids.empty()) segments.push_back({queue::renew(context_.schema, process, ids)});
    segments.push_back({queue::held(context_.schema, process)});
    const auto read_at = segments.size() - 1;
    if (auto segment = extra_ ? extra_() : pg::Segment{}; !segment.empty())
        segments.push_back(std::move(segment));
    auto results = connection_->pipeline(segments);
    // Renewing, above all, must have worked; what travels along may fail by itself.
    for (std::size_t at = 0; at <= read_at; ++at)
        if (auto* error = std::get_if<pg::Error>(&results[at])) throw pg::Error(*error);
    last_answer_ = sent;
    if (healthy_since_ == TimePoint::max()) healthy_since_ = Steady::now();
    if (results.size() > read_at + 1)
        if (auto* error = std::get_if<pg::Error>(&results[read_at + 1]))
            context_.log.debug("memoir.worker.status", "could not update the row in memoird_hosts",
                               {{"error", std::string(error->what())}});

    const auto read = queue::fences(std::get<std::vector<pg::Result>>(results[read_at]).at(0));
    std::vector<std::int64_t> lost;
    const auto orphans = context_.claims.reconcile(ids, read, sent, lost);
    for (const auto id : lost)
        context_.log.warning("memoir.worker.lease_lost",
                             "claim lost: a heartbeat found that the row is no longer ours",
                             {{"job_id", id}});
    hand_back(orphans);
}

void LeaseKeeper::hand_back(std::span<const queue::Fence> orphans) {
    if (orphans.empty()) return;
    const auto statement = queue::release(context_.schema, orphans);
    const auto result = connection_->exec(statement);
    for (const auto& row : queue::returned(result)) {
        ++context_.tally.released;
        if (context_.tally.observer.handed_back) context_.tally.observer.handed_back(row.kind);
        context_.log.info("memoir.worker.job_released",
                          "released a row claimed by this process that no loop holds",
                          {{"job_id", row.id}, {"kind", row.kind}});
        context_.lanes.found(row.kind, row.position);
    }
}

// Kinds whose backends all take work here.
std::vector<std::string> LeaseKeeper::able_kinds() const {
    std::vector<std::string> kinds;
    const auto plan = context_.plan();
    for (const auto& [kind, entry] : plan->registry)
        if (entry.stage && plan->takes_work(kind)) kinds.push_back(kind);
    return kinds;
}

void LeaseKeeper::unpark(const std::vector<std::string>& able) {
    const auto statement = queue::unpark(context_.schema, able);
    for (const auto& row : queue::returned(connection_->exec(statement))) {
        if (context_.tally.observer.recovered) context_.tally.observer.recovered(row.kind, "parked");
        context_.lanes.found(row.kind, row.position);
    }
}

void LeaseKeeper::recover() {
    const auto plan = context_.plan();
    const auto look = queue::overdue(context_.schema, context_.lease, plan->options.foreign_lease);
    auto rows = queue::overdue_rows(connection_->exec(look));
    const bool healthy =
        healthy_since_ != TimePoint::max() && Steady::now() - healthy_since_ >= context_.lease / 2;
    std::vector<queue::Overdue> dead, foreign;
    for (const auto& row : rows) {
        const bool seen_before = std::find(first_look_.begin(), first_look_.end(), row) != first_look_.end();
        if (!healthy || !seen_before) continue;
        if (!row.memoird())
            foreign.push_back(row);
        else if (row.attempts + 1 >= plan->options.max_attempts) {
            // Only who serves the kind knows what its end as `failed` changes.
            if (const auto entry = plan->registry.find(row.kind); entry != plan->registry.end())
                bury(row, entry->second);
        } else
            dead.push_back(row);
    }
    const auto tell = [&](const pg::Statement& statement, const char* from, const char* message) {
        for (const auto& row : queue::returned(connection_->exec(statement))) {
            ++context_.tally.recovered;
            if (context_.tally.observer.recovered) context_.tally.observer.recovered(row.kind, from);
            context_.log.warning("memoir.worker.lease_recovered", message,
                                 {{"job_id", row.id}, {"kind", row.kind}, {"outcome", std::string(from)}});
            context_.lanes.found(row.kind, row.position);
        }
    };
    if (!dead.empty())
        tell(queue::recover_dead(context_.schema, dead), "dead",
             "claim recovered: its holder died; the job is now a suspect");
    if (!foreign.empty())
        tell(queue::recover_foreign(context_.schema, foreign), "foreign",
             "claim recovered: another worker did not finish the job within foreign_lease");
    first_look_ = std::move(rows);
}

// The holder died once too often with this job in hand: it ends as fail does.
void LeaseKeeper::bury(const queue::Overdue& row, const Entry& entry) {
    pg::Transaction transaction(*connection_, pg::Transaction::Durability::on);
    const std::vector<std::string> pids{row.source_pid};
    // Locked by somebody: the next look comes.
    if (memory::lock(transaction, context_.schema, pids).empty()) return;
    const auto statement = queue::bury(context_.schema, row);
    if (transaction.exec(statement).empty()) return;
    if (entry.when_failed) entry.when_failed(transaction, row.source_pid);
    transaction.commit();
    ++context_.tally.failed;
    if (context_.tally.observer.recovered) context_.tally.observer.recovered(row.kind, "buried");
    context_.log.error("memoir.worker.job_failed",
                       "job failed permanently: workers kept dying while holding it",
                       {{"job_id", row.id},
                        {"kind", row.kind},
                        {"source_pid", row.source_pid},
                        {"outcome", std::string("failed")},
                        {"error", "holder died: " + row.claimed_by.value_or("")}});
}

// Staged triples that no job is coming for: a worker of the library lost the fan-in between two siblings. By
// the same steps as a settle: the source's lock, then the look.
void LeaseKeeper::repair_fan_in() {
    for (const auto& pid : memory::stranded(*connection_, context_.schema, most_repairs)) {
        pg::Transaction transaction(*connection_, pg::Transaction::Durability::on);
        // Locked by somebody: the next look comes.
        if (memory::lock(transaction, context_.schema, std::span(&pid, 1)).empty()) continue;
        const int enqueued = queue::enqueue_synthesize(transaction, context_.schema, std::span(&pid, 1));
        transaction.commit();
        if (enqueued == 0) continue;
        context_.log.info("memoir.fan_in.repaired", "enqueued a missing synthesize job for staged triples",
                          {{"source_pid", pid}});
        context_.lanes.wake("synthesize");
    }
}

int LeaseKeeper::stop(Milliseconds wait) {
    if (thread_.joinable()) {
        thread_.request_stop();
        {
            std::unique_lock lock(mutex_);
            wake_.wait_for(lock, std::min(wait, last_word), [this] { return ended_; });
        }
        cut_.request_stop();
        thread_.join();
    }
    const auto end = Steady::now() + wait;
    const auto process = context_.identity.process();
    while (true) {
        try {
            next_connect_ = {};
            if (!connection_ || connection_->broken()) {
                auto hasty = database_;
                hasty.connect_timeout = std::min(hasty.connect_timeout, wait / 2);
                connection_ = pg::Connection::connect(hasty);
            }
            connection_->stop_with({});
            connection_->set_timeout(wait / 2);
            const auto read = queue::held(context_.schema, process);
            const auto rows = queue::fences(connection_->exec(read.sql, read.params));
            if (!rows.empty()) hand_back(rows);
            return static_cast<int>(rows.size());
        } catch (const pg::Error& error) {
            failed(error, "release");
            if (Steady::now() >= end) return 0;
            std::unique_lock lock(mutex_);
            wake_.wait_for(lock, first_reconnect);
        }
    }
}

}  // namespace memoir::work
