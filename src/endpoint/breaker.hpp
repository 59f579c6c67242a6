#pragma once
// The circuit breaker as a pure state machine: no clock, no lock, no I/O of its own.
//
//   closed ──trip──▶ open ──probe_started──▶ probing ──probe_passed──▶ ramping ──(rate unlimited)──▶ closed
//                     ▲                         │ probe_failed            │ trip
//                     └─────────────────────────┴─────────────────────────┘
//
// One certain failure opens it: what arrives here has been charged to the endpoint already, and every further
// call would only fail the same way. While open, the next probe is due after 1 s × 2ⁿ with jitter, 30 s at
// most (outage; throttled without a named time), at the time that the server named (throttled; asked again
// after an hour at the latest), or after 15 minutes (blocked: a human has to act). A server that refuses
// every job for a reason that is not known is asked after 5 s × 2ⁿ, two minutes at most. n counts failed
// probes and trips since the breaker was last closed. After a probe the calls allowed start at 1 a second and
// double every second; an endpoint that had only throttled us starts at half of what it last granted. Thread
// safety: none.

#include <algorithm>
#include <functional>
#include <string>

#include "base/clock.hpp"
#include "base/failure.hpp"

namespace memoir::endpoint {

enum class State { closed, open, probing, ramping };
std::string_view to_string(State state);

// How long after failure number `tries` (from 0) of its kind to probe. `jitter` in [0, 1) takes up to a
// quarter off, so that a fleet does not come back in step.
Milliseconds probe_delay(const Failure& failure, int tries, double jitter);

class Breaker {
  public:
    explicit Breaker(std::function<double()> jitter);  // in [0, 1)

    State state(TimePoint now) const;
    bool is_open() const { return phase_ == State::open || phase_ == State::probing; }
    // The failure that opened it; meaningful unless closed.
    FailureType why() const { return why_; }
    const std::string& reason() const { return reason_; }
    const std::string& hint() const { return hint_; }
    TimePoint opened_at() const { return opened_at_; }
    TimePoint next_probe() const { return next_probe_; }

    // A certain failure (outage, throttled, blocked). True when that is news: it was not open, or the kind of
    // failure changed. While open an outage changes nothing, the others can only put the probe off.
    bool trip(TimePoint now, const Failure& failure);
    // Any success of a call: what the endpoint grants.
    void succeeded(TimePoint now);

    // While open: the next probe is due now.
    void hurry(TimePoint now) { next_probe_ = std::min(next_probe_, now); }
    bool probe_due(TimePoint now) const { return phase_ == State::open && now >= next_probe_; }
    void probe_started();
    void probe_passed(TimePoint now);
    bool probe_failed(TimePoint now, const Failure& failure);  // true as for trip()
    void probe_abandoned();                                    // it was cancelled and says nothing

    // When the next call may start: `now` or earlier, a moment of the ramp, or TimePoint::max() when open.
    TimePoint may_start(TimePoint now) const;
    void started(TimePoint now);      // a call takes its place in the ramp
    void not_started(TimePoint now);  // and gives it back unused

  private:
    void open(TimePoint now, const Failure& failure);
    double rate(TimePoint now) const;  // calls a second, while ramping
    Steady::duration spacing(TimePoint now) const;

    std::function<double()> jitter_;
    State phase_ = State::closed;
    FailureType why_ = FailureType::outage;
    std::string reason_, hint_;
    int tries_ = 0;
    bool served_ = false;  // since the probe that passed
    TimePoint opened_at_{}, next_probe_{};
    TimePoint ramp_start_{}, next_start_{};
    double first_rate_ = 1;
    // Successes in the running second, in the one before, and the most seen around the last trip.
    TimePoint second_{};
    int this_second_ = 0, last_second_ = 0, granted_ = 0;
};

}  // namespace memoir::endpoint
