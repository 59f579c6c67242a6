#pragma once
// The inside of Endpoint: one lock around the breaker, the limiter and the line of waiting calls, and what is
// said and who is told once the lock is released. Internal to endpoint/. Thread safety: functions that say so
// take the lock, the others need it.

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "endpoint/endpoint.hpp"
#include "endpoint/wait_queue.hpp"

namespace memoir::endpoint {

// A call from its permit to its end.
struct Call {
    Nature nature;
    TimePoint began;
    std::uint64_t start;  // the limiter's number
    Moment moment;        // when it began, in the endpoint's order of events
    Jobs jobs;            // for whom; empty: for no job
};

struct Permit::Slot {
    Endpoint::Impl* at;
    std::uint64_t start;
    bool used = false;
};

// What a thread has at any endpoint: permits reserved, calls under way, for whom it calls, and who hears of
// its waiting.
struct ThreadState {
    std::vector<Permit::Slot*> reserved;
    std::vector<std::pair<const Endpoint::Impl*, const Call*>> under_way;
    Jobs jobs;
    std::function<void(bool)> wait_hook;
};
ThreadState& this_thread();

// The call under way on this thread while it lives, for whoever reads its headers.
class UnderWay {
  public:
    UnderWay(const Endpoint::Impl* at, const Call& call) { this_thread().under_way.emplace_back(at, &call); }
    ~UnderWay() { this_thread().under_way.pop_back(); }
    UnderWay(const UnderWay&) = delete;
    UnderWay& operator=(const UnderWay&) = delete;
};

// Tells the thread's own observer about a wait, without any lock.
class Waiting {
  public:
    Waiting() { tell(true); }
    ~Waiting() { tell(false); }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

  private:
    static void tell(bool waiting) {
        if (const auto& hook = this_thread().wait_hook) hook(waiting);
    }
};

struct Endpoint::Impl {
    Impl(Options with, Probe by, telemetry::Log& to, const Clock& time);

    // What is to be said once the lock is released.
    struct News {
        std::vector<telemetry::Event> events;
        bool changed = false;
        std::function<void()> ended;  // tells the observer of the call
    };
    void publish(News& news);  // takes the lock

    // One call, each step takes the lock. begin() throws the Failure for which the call does not take place.
    Call begin(Nature nature, const std::stop_token& stop);
    void succeeded(const Call& call);
    Failure failed(const Call& call, const Failure& failure, const std::stop_token& stop, Shown shown);
    void abandoned();  // it ended in an exception that is no failure of the endpoint

    std::optional<Steady::duration> time_to_start() const;  // as WaitQueue::wait wants it
    TimePoint may_start(TimePoint now) const;
    std::uint64_t take();
    void permit_is_free(News& news);
    void call_ended(Steady::duration took, std::optional<FailureType> failure, News& news) const;

    bool worked() const;    // a call or probe of any nature has succeeded since the start
    bool has_room() const;  // for one more call, permits apart: fewer at once while nothing was served
    Refusals& refusals(Nature nature) { return refusals_by[static_cast<int>(nature)]; }
    // What became of the failure. The lock is released while a probe runs.
    Failure judged(std::unique_lock<std::mutex>& lock, const Call& call, const Failure& failure, Shown shown,
                   const std::stop_token& stop, News& news);
    struct Cut {
        Moment began, failed;
        TimePoint at;
    };
    Known known(const Call& call, const Failure& failure, Shown shown, const Cut& cut) const;
    Failure verdict(Blame blame, const Call& call, const Failure& failure, News& news);
    bool cut_together(const Cut& cut) const;
    // The canary when the breaker is open, else evidence for judged(). Nobody else may be running it.
    void run_probe(std::unique_lock<std::mutex>& lock, Nature nature, const std::stop_token& stop,
                   News& news);
    std::optional<Failure> outcome_of_probe(const Call& call, const std::stop_token& stop) const;  // no lock
    void probed(bool canary, Nature nature, const std::optional<Failure>& failure, News& news);
    void take_back(const Call& call, const Failure& failure);
    // `told`: that it does not work was said before.
    void trip(const Failure& failure, Nature nature, News& news, bool told = false);

    Milliseconds to_next_probe() const;
    Milliseconds park_for() const;
    Failure described(const Failure& failure) const;   // with endpoint and hint
    Failure handed_out(const Failure& failure) const;  // and with what a job has to know
    void announce_opened(News& news) const;
    void announce_closed(News& news) const;

    const Options options;
    const Probe probe;
    telemetry::Log& log;
    const Clock& clock;

    mutable std::mutex mutex;  // guards all below
    Breaker breaker;
    Limiter limiter;
    WaitQueue waiters;
    History history;
    std::vector<std::function<void()>> on_change;
    std::shared_ptr<const CallObserver> observer;
    bool closed = false;   // no call begins any more
    bool refused = false;  // reserve() said no for want of a permit
    std::uint64_t calls = 0, failures = 0, canaries = 0, charged_jobs = 0, served = 0;
    // Events are put in order by a counter: two within one tick of the clock stay apart.
    Moment moment = 0;
    Moment last_success[2] = {0, 0};  // by Nature; a probe that passed counts
    std::optional<TimePoint> probe_passed[2];
    Refusals refusals_by[2];
    bool refusing = false;              // everybody, as was said; until a job is served
    std::set<std::int64_t> taken_back;  // jobs, since then
    Jobs charged;  // that were refused before it was clear that everybody is; until taken
    Moment last_trip = 0;
    std::vector<Cut> cuts;                 // calls whose wire broke lately
    Nature failed_nature = Nature::write;  // what the canary does; a start tries the stronger one
    bool probe_runs = false;
    std::condition_variable_any probe_over;
};

}  // namespace memoir::endpoint
