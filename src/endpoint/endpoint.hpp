#pragma once
// A backend as the failure rules see it: one per model server, vector index or graph. Owns its circuit
// breaker, its limiter and the history of its calls. Everything that can fail at a backend goes through
// call(), which turns what happened into the failure types of base/failure.hpp and never lets `ambiguous`
// out.
//
// States: closed → open (outage, throttled, blocked) → probing (one canary at a time, the synthetic probe) →
// ramping (allowed rate at most doubles each second) → closed. The decision is a pure state machine
// (breaker.hpp) with an injected clock; this class is the thin shell with locks, timers and events around it.
//
// Charging (blame.hpp): a 500, reset, cut or time-out is the job's own fault only when another call of the
// same nature succeeded here after this one began (a time-out: after it had run out), or when the probe right
// after it succeeds; else it is an outage. Calls that fail together share one run of the probe. What is
// refused alike for several jobs, with none served in between, is nobody's own: the breaker opens. Thread
// safety: all of Endpoint.

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/clock.hpp"
#include "base/failure.hpp"
#include "endpoint/blame.hpp"
#include "endpoint/breaker.hpp"
#include "endpoint/history.hpp"
#include "endpoint/limiter.hpp"
#include "endpoint/refusals.hpp"
#include "telemetry/log.hpp"

namespace memoir::endpoint {

struct Options {
    std::string name;        // "embedding", "qdrant", "extraction" …: in events, status, metrics
    int max_concurrent = 0;  // 0: no limit
    std::string setting;     // what a `blocked` HINT names: "embedding.url, embedding.api_key_file"
    // Calls at once until the first one was served, 0: max_concurrent alone. A server that refuses everything
    // is not asked more often than it takes to see that.
    int unproven = alike_jobs;
};

// A synthetic request of the same nature as the failed call; throws Failure or http::TransportFailure. Runs
// on a caller's thread or on the prober's, one at a time, never while a lock is held. Needs a time-out of its
// own. It resembles the work, in everything that a server may refuse: one that is refused as `job` or
// `permanent` says that the endpoint does not work. Empty: there is none; then ambiguous failures are
// outages, and an open breaker lets calls try again when a probe would be due.
enum class Nature { read, write };
using Probe = std::function<void(Nature, std::stop_token)>;

// Told of each call after it ended, with no lock held; app turns it into metrics. Probes and calls that were
// cancelled are not told of.
struct CallObserver {
    // `failure`: what it turned out to be, once charged; none: it succeeded. `took`: waiting for a permit not
    // included.
    std::function<void(const std::string& endpoint, std::chrono::duration<double> took,
                       std::optional<FailureType> failure)>
        ended;
    // Of one call of a model, as its server counted them.
    std::function<void(const std::string& endpoint, std::int64_t input, std::int64_t output)> tokens;
};

struct Snapshot {
    std::string name;
    State state;
    FailureType why;     // of the failure that opened it; meaningful unless closed
    std::string reason;  // its reason
    std::string hint;
    Milliseconds next_probe{0};  // from now
    int in_flight = 0;           // and permits reserved
    std::uint64_t calls = 0, failures = 0, canaries = 0;
    int waiting = 0;                 // calls that wait for a permit or their time
    int max_concurrent = 0;          // now: fewer than configured after time-outs; 0: no limit
    Milliseconds open_for{0};        // since it opened; 0 unless open or probing
    Milliseconds held_for{0};        // until the provider's rate limits have room; 0: they have
    std::uint64_t charged_jobs = 0;  // ambiguous failures that were the job's own
    std::uint64_t served = 0;        // calls that succeeded, probes not included
};

// A permit taken before the claim, so that what is claimed can run. Used up by the first call() of the same
// thread on that endpoint, given back unused otherwise. Lives and dies on the thread that reserved it, within
// the endpoint's life.
class Permit {
  public:
    Permit(Permit&&) noexcept;
    Permit& operator=(Permit&&) = delete;
    ~Permit();

    struct Slot;  // internal
    explicit Permit(std::unique_ptr<Slot> slot);

  private:
    std::unique_ptr<Slot> slot_;
};

// While it lives, the calling thread's calls are made for these jobs: refusals are compared between different
// jobs. The innermost one counts. Without one a call is for no job, and judged by itself.
class OnBehalf {
  public:
    explicit OnBehalf(Jobs jobs);
    ~OnBehalf();
    OnBehalf(const OnBehalf&) = delete;
    OnBehalf& operator=(const OnBehalf&) = delete;

  private:
    Jobs before_;
};

class Endpoint {
  public:
    Endpoint(Options options, Probe probe, telemetry::Log& log, const Clock& clock = Clock::real());
    ~Endpoint();

    // Runs `work` under a permit and the breaker. Waits for a permit, for its turn while the breaker ramps,
    // and for room in the provider's rate limits (throttled instead where that takes over 30 s); waiting ends
    // with `stop`. When the breaker is open it throws the failure that opened it at once. `work` throws
    // Failure or http::TransportFailure; ambiguous ones are charged here. What call() throws has `endpoint`
    // filled in, and for outage, throttled and blocked retry_after = park_for(). Other exceptions pass
    // through.
    void call(Nature nature, std::stop_token stop, const std::function<void()>& work);
    template <typename Work>
    auto call_for(Nature nature, std::stop_token stop, Work&& work) {
        std::optional<decltype(work())> value;
        call(nature, stop, [&] { value.emplace(work()); });
        return std::move(*value);
    }

    // From now on no call begins: those that wait and those that come are cancelled. Calls under way go on.
    void close();

    // A permit and a place in the ramp for this thread, or nullopt: then on_change's callback or the end of
    // claims_in() is the time to ask again.
    std::optional<Permit> reserve();

    // Whether a job that needs this endpoint may be claimed now: closed, or ramping with rate left, and the
    // rate limits have room. Says nothing about permits: reserve() does.
    bool allows_claims() const;
    // How long until that may be so: 0 now; the next probe's time while open.
    Milliseconds claims_in() const;
    // How long a job that met the open breaker should be parked: until the next probe, at least 1 s.
    Milliseconds park_for() const;
    Snapshot snapshot() const;
    const std::string& name() const;
    std::uint64_t served() const;  // calls that succeeded so far, probes not included
    // Jobs that were charged for refusals that turned out to be everybody's; told once.
    Jobs take_charged();

    // Probes when a probe is due; a thread of app's calls it, and start-up once with `now` true.
    // Returns true when the endpoint is usable afterwards.
    bool probe_if_due(std::stop_token stop, bool now = false);
    // The next probe of an open breaker is due now.
    void probe_soon();
    // Called (from any thread, no lock held) when a probe has passed, and when a permit is free again that
    // reserve() refused, so that lanes wake at once.
    void on_change(std::function<void()> changed);

    // Before calls begin, or between two: from then on.
    void observe(std::shared_ptr<const CallObserver> observer);
    // What a call used, told by whoever reads its reply.
    void used_tokens(std::int64_t input, std::int64_t output);

    // The provider's rate limits, told by whoever reads its headers: no call starts before `until`; or what
    // the headers of the answer said, from within `work` of the call that they answered. `which` names the
    // family: "requests", "tokens".
    void hold_until(TimePoint until);
    void observe_quota(std::string_view which, const Quota& quota);

    // Of recent successful calls; nullopt before the first. The second one is its p95: what a call that has
    // just begun can be expected to take at most.
    std::optional<Durations> typical() const;
    std::optional<Milliseconds> typical_duration() const;

    // For the calling thread: told true when one of its calls, at any endpoint, begins to wait for a permit
    // or its time, and false when that is over. A job's deadline does not count these waits. Empty: nobody.
    static void set_wait_hook(std::function<void(bool waiting)> hook);

    struct Impl;  // internal

  private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace memoir::endpoint
