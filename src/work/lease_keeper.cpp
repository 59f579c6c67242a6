#include "work/lease_keeper.hpp"

#include <algorithm>

#include "base/random_id.hpp"
#include "queue/keep.hpp"
#include "queue/recover.hpp"
#include "work/retry.hpp"

namespace memoir::work {

namespace {
constexpr Milliseconds first_reconnect{100};
// How long a stop lets the statement under way be answered. A heartbeat that is cut may be carried out by the
// server all the same, and write the process into memoird_hosts after the drain took it out.
constexpr Milliseconds last_word{250};
// What follows a heartbeat must not delay the next one.
constexpr Milliseconds extra_limit{1'000};
constexpr int most_strays = 1'000;
}  // namespace

Milliseconds LeaseKeeper::interval(Milliseconds lease) {
    return std::min(lease / 3, Milliseconds(10'000));
}

Milliseconds LeaseKeeper::longest_reconnect(Milliseconds lease) {
    return std::min(interval(lease) / 2, Milliseconds(1'000));
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

bool LeaseKeeper::healthy() const {
    const auto since = healthy_since_.load();
    return since != TimePoint::max() && Steady::now() - since >= context_.lease / 2;
}

Milliseconds LeaseKeeper::age() const {
    return std::chrono::duration_cast<Milliseconds>(Steady::now() - begun_);
}

void LeaseKeeper::run(const std::stop_token& stop) {
    const auto every = interval(context_.lease);
    auto beat = Steady::now();
    while (!stop.stop_requested()) {
        {
            std::unique_lock lock(mutex_);
            wake_.wait_until(lock, stop, beat, [&] { return nudged_; });
            if (stop.stop_requested()) break;
            nudged_ = false;
        }
        if (Steady::now() >= beat) {
            // Jittered downwards, so that a fleet started as one does not beat as one.
            beat = Steady::now() + Milliseconds(static_cast<Milliseconds::rep>(
                                       static_cast<double>(every.count()) * (0.9 + 0.1 * random_unit())));
        }
        try {
            if (connect()) {
                heartbeat();
                failures_ = 0;
                send_extra();
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
    next_connect_ = Steady::now() +
                    back_off(failures_, first_reconnect, longest_reconnect(context_.lease), random_unit());
    context_.log.warning("memoir.worker.lease_recovery_failed", "heartbeat query failed",
                         {{"operation", std::string(what)}, {"error", std::string(error.what())}});
}

void LeaseKeeper::heartbeat() {
    const auto sent = Steady::now();
    const auto ids = context_.claims.to_renew(sent);
    const auto process = context_.identity.process();
    const auto renewal = queue::renew(context_.schema, process, ids);
    const auto read = queue::fences(connection_->exec(renewal));
    last_answer_ = sent;
    if (healthy_since_.load() == TimePoint::max()) healthy_since_ = Steady::now();

    std::vector<std::int64_t> lost;
    auto orphans = context_.claims.reconcile(ids, read, sent, lost);
    for (const auto id : lost)
        context_.log.warning("memoir.worker.lease_lost",
                             "claim lost: a heartbeat found that the row is no longer ours",
                             {{"job_id", id}});
    for (auto& row : context_.claims.take_let_go()) orphans.push_back(std::move(row));
    try {
        hand_back(orphans);
    } catch (const pg::Error&) {
        for (const auto& row : orphans) context_.claims.let_go(row);
        throw;
    }
    look_for_strays();
}

// Rows of ours that nobody here knows of: what a claim took whose answer never came, not even to the look for
// it. Once a lease: all that is known to be let go is handed back by its id.
void LeaseKeeper::look_for_strays() {
    const auto sent = Steady::now();
    if (sent < next_stray_look_) return;
    next_stray_look_ = sent + context_.lease;
    const auto look = queue::strays(context_.schema, context_.identity.process(),
                                    interval(context_.lease) * 2, age(), most_strays);
    std::vector<std::int64_t> lost;
    hand_back(context_.claims.reconcile({}, queue::fences(connection_->exec(look)), sent, lost));
}

void LeaseKeeper::send_extra() {
    const auto segment = extra_ ? extra_() : pg::Segment{};
    if (segment.empty()) return;
    try {
        connection_->set_timeout(std::min(extra_limit, database_.statement_timeout));
        connection_->exec(segment);
    } catch (const pg::Error& error) {
        context_.log.debug("memoir.worker.status", "could not update the row in memoird_hosts",
                           {{"error", std::string(error.what())}});
    }
    connection_->set_timeout({});
    if (connection_->broken()) connection_.reset();
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
            const auto read = queue::held(context_.schema, process, age());
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
