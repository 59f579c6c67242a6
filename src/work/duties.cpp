#include "work/duties.hpp"

#include <algorithm>

#include "base/random_id.hpp"
#include "queue/duties.hpp"
#include "queue/recover.hpp"
#include "work/lease_keeper.hpp"
#include "work/retry.hpp"

namespace memoir::work {

namespace {
constexpr Milliseconds first_reconnect{100};
// Timers of parked jobs are a little late rather than early: a look before the due time finds nothing.
constexpr Milliseconds due_slack{5};
// Ids of parked jobs that are remembered here; the others come back by the duty.
constexpr std::size_t most_due = 10'000;
// How often the table is read, at most; a duty is held for three times that long.
constexpr Milliseconds longest_hold_interval{5'000};
// Between two rounds of a look for due jobs, where one process makes it for all.
constexpr Milliseconds due_interval{1'000};
constexpr Milliseconds longest_rest{60'000};
constexpr Milliseconds last_word{250};
const std::string waiting_duty = "return ";

Milliseconds since(TimePoint begun) {
    return std::chrono::duration_cast<Milliseconds>(Steady::now() - begun);
}
// A tenth less at random, so that a fleet started as one does not look as one.
Milliseconds jittered(Milliseconds interval) {
    return Milliseconds(
        static_cast<Milliseconds::rep>(static_cast<double>(interval.count()) * (0.9 + 0.1 * random_unit())));
}
}  // namespace

int Duties::next_limit(int limit, Milliseconds took) {
    constexpr int least = 10;
    if (took > longest_slice) return std::max(limit / 2, least);
    if (took < longest_slice / 4) return std::min(limit * 2, most_rows);
    return limit;
}

Duties::Duties(Context& context, pg::ConnectOptions database, bool table)
    : context_(context), database_(std::move(database)), table_(table) {
    add_own();
}

Duties::~Duties() {
    cut_.request_stop();
}

void Duties::add(Duty duty) {
    tasks_.push_back({std::move(duty)});
}

void Duties::add_own() {
    const auto beat = LeaseKeeper::interval(context_.lease);
    add({"unpark", table_ ? std::min(due_interval, beat) : beat,
         [this](pg::Connection& connection, int limit) {
             const auto statement = queue::unpark(context_.schema, limit);
             const auto result = connection.exec(statement);
             returned(result);
             return result.rows() == limit;
         }});
    for (const auto kind : queue::all_kinds)
        add({waiting_duty + std::string(kind), beat,
             [this, kind = std::string(kind), after = queue::Cursor{}](pg::Connection& connection,
                                                                       int limit) mutable {
                 const auto statement = queue::unpark_waiting(context_.schema, kind, after, limit);
                 const auto slice = queue::unparked(connection.exec(statement), limit);
                 after = slice.next.value_or(queue::Cursor{});
                 for (const auto& row : slice.rows) {
                     if (context_.tally.observer.recovered)
                         context_.tally.observer.recovered(row.kind, "parked");
                     context_.lanes.found(row.kind, row.position);
                 }
                 return slice.next.has_value();
             },
             [this, kind = std::string(kind)] { return able_for(kind); }});
}

// Its backends all take work here.
bool Duties::able_for(const std::string& kind) const {
    const auto plan = context_.plan();
    const auto entry = plan->registry.find(kind);
    return entry != plan->registry.end() && entry->second.stage && plan->takes_work(kind);
}

void Duties::returned(const pg::Result& result) {
    for (const auto& row : queue::returned(result)) {
        if (context_.tally.observer.recovered) context_.tally.observer.recovered(row.kind, "parked");
        context_.lanes.found(row.kind, row.position);
    }
}

void Duties::start() {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Duties::stop() {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    cut_.request_stop();
    thread_.join();
    if (!connection_ || connection_->broken() || held_.empty()) return;
    try {
        connection_->stop_with({});
        connection_->set_timeout(last_word);
        const auto statement = queue::leave_all_duties(context_.schema, context_.identity.nonce());
        connection_->exec(statement);
    } catch (const pg::Error&) {
        // They are free when their time has passed.
    }
}

void Duties::due_in(std::int64_t job, Milliseconds delay) {
    std::lock_guard lock(mutex_);
    if (due_.size() >= most_due) return;
    due_.push({Steady::now() + delay + due_slack, job});
    wake_.notify_one();
}

void Duties::poke() {
    std::lock_guard lock(mutex_);
    poked_ = true;
    wake_.notify_one();
}

// With the lock.
TimePoint Duties::next_wake() const {
    auto next = table_ ? next_hold_ : TimePoint::max();
    for (const auto& task : tasks_)
        if (mine(task)) next = std::min(next, task.next);
    if (!due_.empty()) next = std::min(next, due_.top().at);
    return connection_ ? next : std::max(next, next_connect_);
}

void Duties::run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        {
            std::unique_lock lock(mutex_);
            const auto until = next_wake();
            wake_.wait_until(lock, stop, until, [&] { return poked_ || next_wake() < until; });
            if (stop.stop_requested()) return;
            if (std::exchange(poked_, false)) {
                next_hold_ = {};
                for (auto& task : tasks_)
                    if (task.duty.name.starts_with(waiting_duty)) task.next = {};
            }
        }
        try {
            pass(stop);
        } catch (const pg::Error& error) {
            if (!stop.stop_requested()) failed(nullptr, error);
        }
    }
}

void Duties::pass(const std::stop_token& stop) {
    if (!connect()) return;
    if (table_ && Steady::now() >= next_hold_) hold();
    bring_back_own();
    for (auto& task : tasks_) {
        if (stop.stop_requested()) return;
        if (!mine(task) || Steady::now() < task.next) continue;
        if (task.duty.able && !task.duty.able()) {
            task.next = Steady::now() + jittered(task.duty.every);
            continue;
        }
        try {
            work(task);
        } catch (const pg::Error& error) {
            if (stop.stop_requested()) return;
            failed(&task, error);
            if (!connection_) return;
        }
        bring_back_own();
    }
}

bool Duties::connect() {
    if (connection_ && !connection_->broken()) return true;
    connection_.reset();
    if (Steady::now() < next_connect_) return false;
    connection_ = pg::Connection::connect(database_, cut_.get_token());
    connection_->stop_with(cut_.get_token());
    failures_ = 0;
    return true;
}

void Duties::failed(Task* task, const pg::Error& error) {
    if (!connection_ || connection_->broken() || error.error_class() == pg::ErrorClass::connection ||
        error.error_class() == pg::ErrorClass::read_only) {
        connection_.reset();
        next_connect_ =
            Steady::now() + back_off(++failures_, first_reconnect,
                                     LeaseKeeper::longest_reconnect(context_.lease), random_unit());
    }
    if (task) {
        task->limit = std::max(task->limit / 2, 1);
        task->next = Steady::now() + back_off(++task->failures, std::min(task->duty.every, longest_rest),
                                              longest_rest, random_unit());
    }
    context_.log.warning("memoir.duty.failed", "what is done for all is tried again later",
                         {{"operation", task ? task->duty.name : std::string("connect")},
                          {"error", std::string(error.what())}});
}

bool Duties::mine(const Task& task) const {
    return !table_ || (held_.contains(task.duty.name) && Steady::now() < held_until_);
}

// Takes what is free and can be done here, keeps what is held, and leaves what cannot be done any more.
void Duties::hold() {
    const auto interval = std::min(longest_hold_interval, LeaseKeeper::interval(context_.lease));
    next_hold_ = Steady::now() + jittered(interval);
    const auto& nonce = context_.identity.nonce();
    std::vector<std::string> wanted, left;
    const auto sent = Steady::now();
    try {
        std::map<std::string, queue::Duty> known;
        const auto look = queue::select_duties(context_.schema);
        for (auto& duty : queue::read_duties(connection_->exec(look))) known[duty.name] = std::move(duty);
        for (const auto& task : tasks_) {
            const auto& name = task.duty.name;
            const auto found = known.find(name);
            const bool ours = found != known.end() && found->second.nonce == nonce;
            const bool able = !task.duty.able || task.duty.able();
            if (able && (found == known.end() || ours || !found->second.held)) wanted.push_back(name);
            if (!able && ours) left.push_back(name);
        }
        held_.clear();
        if (!wanted.empty()) {
            const auto take = queue::take_duties(context_.schema, wanted, nonce, interval * 3);
            const auto taken = connection_->exec(take);
            for (int row = 0; row < taken.rows(); ++row) held_.insert(taken.string(row, 0));
            held_until_ = sent + interval * 3;
        }
        if (!left.empty()) connection_->exec(queue::leave_duties(context_.schema, left, nonce));
    } catch (const pg::Error& error) {
        if (error.error_class() != pg::ErrorClass::schema) throw;
        // `memoirctl schema remove` took the table away: each for itself again.
        table_ = false;
    }
}

void Duties::work(Task& task) {
    const auto begun = Steady::now();
    const bool more = task.duty.slice(*connection_, task.limit);
    const auto took = since(begun);
    task.failures = 0;
    task.limit = next_limit(task.limit, took);
    task.next = Steady::now() + (more ? took : jittered(task.duty.every));
}

// What this process parked itself is not waited for: it is known by its id.
void Duties::bring_back_own() {
    std::vector<std::int64_t> ids;
    {
        std::lock_guard lock(mutex_);
        while (!due_.empty() && due_.top().at <= Steady::now() &&
               ids.size() < static_cast<std::size_t>(most_rows)) {
            ids.push_back(due_.top().job);
            due_.pop();
        }
    }
    if (ids.empty()) return;
    const auto statement = queue::unpark(context_.schema, ids);
    returned(connection_->exec(statement));
}

}  // namespace memoir::work
