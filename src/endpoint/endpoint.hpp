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
// Charging: a 500, reset, cut or time-out is the job's own fault only when another call succeeded here after
// this one began, or when the probe right after it succeeds; else it is an outage. Thread safety: all of
// Endpoint.

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/clock.hpp"
#include "base/failure.hpp"
#include "telemetry/log.hpp"

namespace memoir::endpoint {

struct Options {
    std::string name;        // "embedding", "qdrant", "extraction" …: in events, status, metrics
    int max_concurrent = 0;  // 0: no limit
    std::string setting;     // what a `blocked` HINT names: "embedding.url, embedding.api_key_file"
};

// A synthetic request of the same nature as the failed call; throws Failure. Runs on a caller's thread or on
// the prober's, never while a lock is held.
enum class Nature { read, write };
using Probe = std::function<void(Nature, std::stop_token)>;

enum class State { closed, open, probing, ramping };
std::string_view to_string(State state);

struct Snapshot {
    std::string name;
    State state;
    FailureType why;     // of the failure that opened it; meaningful unless closed
    std::string reason;  // its reason
    std::string hint;
    Milliseconds next_probe{0};  // from now
    int in_flight = 0;
    std::uint64_t calls = 0, failures = 0, canaries = 0;
};

class Endpoint {
  public:
    Endpoint(Options options, Probe probe, telemetry::Log& log, const Clock& clock = Clock::real());
    ~Endpoint();

    // Runs `work` under a permit and the breaker. Waits for a permit (waiting ends with `stop`). When the
    // breaker is open it throws the failure that opened it at once, with retry_after = the time to the next
    // probe. `work` throws Failure; ambiguous ones are charged here. Failure::endpoint is filled in.
    void call(Nature nature, std::stop_token stop, const std::function<void()>& work);
    template <typename Work>
    auto call_for(Nature nature, std::stop_token stop, Work&& work) {
        std::optional<decltype(work())> value;
        call(nature, stop, [&] { value.emplace(work()); });
        return std::move(*value);
    }

    // Whether a job that needs this endpoint may be claimed now: closed, or ramping with rate left.
    bool allows_claims() const;
    // How long a job that met the open breaker should be parked: until the next probe, at least 1 s.
    Milliseconds park_for() const;
    Snapshot snapshot() const;

    // Probes when a probe is due; the keeper's timer calls it, and start-up once with `now` true.
    // Returns true when the endpoint is usable afterwards.
    bool probe_if_due(std::stop_token stop, bool now = false);
    // Called (from any thread) when the breaker closes again, so that lanes wake at once.
    void on_change(std::function<void()> changed);

    // Median and p95 of recent successful calls; nullopt before the first.
    std::optional<Milliseconds> typical_duration() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace memoir::endpoint
