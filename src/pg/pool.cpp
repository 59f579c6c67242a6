#include "pg/pool.hpp"

#include <algorithm>
#include <cassert>
#include <condition_variable>
#include <map>
#include <optional>
#include <utility>

#include "base/random_id.hpp"
#include "pg/backoff.hpp"
#include "pg/loss.hpp"

namespace memoir::pg {
namespace {

// Of these a wait may end well; the others need a human, and the caller hears of them at once.
bool passes_by_itself(const Error& error) {
    switch (error.error_class()) {
        case ErrorClass::connection:
        case ErrorClass::resources:
        case ErrorClass::read_only:  // target_session_attrs during a failover
            return true;
        default:
            return false;
    }
}

thread_local std::string party_of_this_thread;  // empty: nobody's
thread_local int leases_of_this_thread = 0;

}  // namespace

struct Pool::Member {
    int checkouts = 0;  // those that are being connected included
    int share = 0;
    std::condition_variable_any changed;
    bool may_take() const { return checkouts < share; }
};

struct Pool::State {
    // A checkout that is on its way. Used with the lock held.
    class Coming {
      public:
        explicit Coming(Member& member) : member_(member) { ++member_.checkouts; }
        ~Coming() {
            if (!arrived_) --member_.checkouts;
        }
        Coming(const Coming&) = delete;
        Coming& operator=(const Coming&) = delete;
        void arrived() { arrived_ = true; }

      private:
        Member& member_;
        bool arrived_ = false;
    };

    ConnectOptions options;
    int size;
    Observer observer;

    mutable std::mutex mutex;
    std::map<std::string, Member> members;          // by the party's name; none is ever removed
    std::vector<std::unique_ptr<Connection>> idle;  // last in, first out: the others may age in peace
    int in_use = 0;                                 // leased
    int connecting = 0;
    int failures = 0;  // connects in a row
    TimePoint next_try{};
    std::optional<Error> last_failure;

    mutable std::mutex state_mutex;  // held while an observer runs: changes are told in their order
    std::optional<bool> is_up;

    void mark_up() {
        std::lock_guard lock(state_mutex);
        if (is_up == true) return;
        is_up = true;
        if (observer.up) observer.up();
    }
    void mark_down(const Error& error) {
        std::lock_guard lock(state_mutex);
        if (is_up == false) return;
        is_up = false;
        if (observer.down) observer.down(error);
    }

    Member& member(const std::string& party) {
        auto& member = members[party];
        member.share = party.empty() ? size : std::max(1, size / 2);
        return member;
    }

    // One waiter of each party looks: which of them a connection suits depends on the party.
    void tell_one_each() {
        for (auto& [party, member] : members)
            if (member.may_take()) member.changed.notify_one();
    }

    // The one most recently given back that still lives.
    std::unique_ptr<Connection> take_idle() {
        while (!idle.empty()) {
            auto connection = std::move(idle.back());
            idle.pop_back();
            if (connection->reusable()) return connection;
        }
        return nullptr;
    }
    bool others_live() const {
        std::lock_guard lock(mutex);
        return in_use + static_cast<int>(idle.size()) > 0;
    }
    bool may_connect() const {
        const bool room = in_use + connecting + static_cast<int>(idle.size()) < size;
        return room && Steady::now() >= next_try && (failures == 0 || connecting == 0);
    }
    std::unique_ptr<Connection> connect(std::unique_lock<std::mutex>& lock, const std::stop_token& stop,
                                        TimePoint deadline);
    void give_back(std::unique_ptr<Connection> connection, Member& member);
};

Pool::Pool(ConnectOptions options, int size, Observer observer) : state_(std::make_unique<State>()) {
    state_->options = std::move(options);
    state_->size = size;
    state_->observer = std::move(observer);
}

Pool::~Pool() = default;

Pool::Checkout Pool::acquire(std::stop_token stop, Milliseconds wait) {
    assert(party_of_this_thread.empty() || leases_of_this_thread == 0);
    auto& state = *state_;
    const auto deadline = Steady::now() + wait;
    std::unique_lock lock(state.mutex);
    auto& member = state.member(party_of_this_thread);
    while (true) {
        if (stop.stop_requested()) {
            state.tell_one_each();  // it may have been told in another's place
            throw Error(ErrorClass::cancelled, "", "stopped");
        }
        if (member.may_take()) {
            State::Coming coming(member);
            auto connection = state.take_idle();
            if (!connection && state.may_connect()) connection = state.connect(lock, stop, deadline);
            if (connection) {
                ++state.in_use;
                coming.arrived();
                return {*this, std::move(connection), member};
            }
        }
        const auto now = Steady::now();
        if (now >= deadline) {
            state.tell_one_each();
            if (state.failures > 0) throw Error(*state.last_failure);
            throw Error(ErrorClass::connection, "",
                        "no connection of the pool came free within " + std::to_string(wait.count()) + " ms");
        }
        const auto until = state.next_try > now ? std::min(deadline, state.next_try) : deadline;
        // A failure of somebody else's moves the next try: look again.
        const auto seen = state.next_try;
        member.changed.wait_until(lock, stop, until, [&] {
            const bool there = !state.idle.empty() || state.may_connect();
            return (there && member.may_take()) || state.next_try != seen;
        });
    }
}

// Called and returns with the lock held, which is free meanwhile. Null: not connected, wait and try again.
std::unique_ptr<Connection> Pool::State::connect(std::unique_lock<std::mutex>& lock,
                                                 const std::stop_token& stop, TimePoint deadline) {
    ++connecting;
    lock.unlock();
    auto attempt = options;
    // A caller with less than a second left gives up early; that says nothing about the database.
    const auto left = std::chrono::ceil<Milliseconds>(deadline - Steady::now());
    const bool hurried = left < std::min(options.connect_timeout, Milliseconds(1'000));
    attempt.connect_timeout = std::max(std::min(left, options.connect_timeout), Milliseconds(1));
    std::unique_ptr<Connection> connection;
    std::optional<Error> failure;
    try {
        connection = Connection::connect(attempt, stop);
        mark_up();
    } catch (const Error& error) {
        failure = error;
    }
    const bool gave_up = failure && (failure->error_class() == ErrorClass::cancelled ||
                                     (hurried && Steady::now() >= deadline));
    // A limit that our own connections reach is no outage.
    const bool limited = failure && failure->sqlstate() == "53300" && others_live();
    if (failure && !gave_up && !limited) mark_down(*failure);

    lock.lock();
    --connecting;
    if (!failure) {
        failures = 0;
    } else if (!gave_up) {
        ++failures;
        next_try = Steady::now() + backoff(failures, random_unit(), options.longest_backoff);
        last_failure = failure;
    }
    for (auto& [party, member] : members) member.changed.notify_all();
    if (failure && !passes_by_itself(*failure)) throw *failure;
    return connection;
}

void Pool::State::give_back(std::unique_ptr<Connection> connection, Member& member) {
    std::vector<std::unique_ptr<Connection>> doomed;  // closed without the lock
    const auto loss = connection->loss();
    const bool keep = connection->reusable();
    // What our own stop broke says nothing about the database, and neither does one connection that was
    // closed: the next connect tells whether it was the only one.
    const bool telling = loss && loss->error_class() != ErrorClass::cancelled && !closed(*loss);
    if (telling) {
        mark_down(*loss);
    } else if (keep) {
        mark_up();
    }
    std::lock_guard lock(mutex);
    --in_use;
    --member.checkouts;
    if (keep) {
        connection->set_timeout(Milliseconds(0));
        idle.push_back(std::move(connection));
    } else {
        // Where the network or the server failed one, the idle ones are lost too; each would cost its next
        // holder a deadline.
        if (telling) std::swap(doomed, idle);
        // So that a server which lets us in and takes nothing is not asked without a pause.
        if (telling && loss->error_class() == ErrorClass::read_only)
            next_try = Steady::now() + backoff(++failures, random_unit(), options.longest_backoff);
        if (telling) last_failure = loss;
        doomed.push_back(std::move(connection));
    }
    tell_one_each();
}

int Pool::size() const {
    return state_->size;
}

int Pool::in_use() const {
    std::lock_guard lock(state_->mutex);
    return state_->in_use;
}

bool Pool::up() const {
    std::lock_guard lock(state_->state_mutex);
    return state_->is_up.value_or(true);
}

Pool::Checkout::Checkout(Pool& pool, std::unique_ptr<Connection> connection, Member& member)
    : pool_(&pool), connection_(std::move(connection)), member_(&member) {
    ++leases_of_this_thread;
}

Pool::Checkout::Checkout(Checkout&& other) noexcept
    : pool_(other.pool_), connection_(std::move(other.connection_)), member_(other.member_) {}

Pool::Checkout::~Checkout() {
    if (!connection_) return;
    --leases_of_this_thread;
    pool_->state_->give_back(std::move(connection_), *member_);
}

Pool::Party::Party(std::string name) : before_(std::exchange(party_of_this_thread, std::move(name))) {}

Pool::Party::~Party() {
    party_of_this_thread = std::move(before_);
}

}  // namespace memoir::pg
