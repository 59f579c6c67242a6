#include "endpoint/breaker.hpp"

#include <algorithm>
#include <cmath>

#include "endpoint/blame.hpp"

namespace memoir::endpoint {
namespace {

using std::chrono::seconds;
using namespace std::chrono_literals;

constexpr Milliseconds first_delay = 1s, longest_delay = 30s;
constexpr Milliseconds blocked_delay = 15min;
// A server that refuses everything for a reason that we do not know may be mended at any moment.
constexpr Milliseconds refused_first = 5s, refused_longest = 2min;
// A server can name any time; whether it meant it is asked once an hour.
constexpr Milliseconds longest_named = 1h;
// Beyond this no host of ours is held back: 64 loops on a model that answers at once stay below.
constexpr double unlimited_rate = 2048;
// A call that starts late by less than this does not slow the ramp down.
constexpr Milliseconds catch_up = 50ms;

Milliseconds doubled(Milliseconds base, int times, Milliseconds cap) {
    while (times-- > 0 && base < cap) base *= 2;
    return std::min(base, cap);
}

}  // namespace

std::string_view to_string(State state) {
    switch (state) {
        case State::closed:
            return "closed";
        case State::open:
            return "open";
        case State::probing:
            return "probing";
        case State::ramping:
            return "ramping";
    }
    return "unknown";
}

Milliseconds probe_delay(const Failure& failure, int tries, double jitter) {
    if (is_of_everybody(failure)) {
        const auto delay = doubled(refused_first, tries, refused_longest);
        return std::chrono::ceil<Milliseconds>(delay * (1 - jitter / 4));
    }
    if (failure.type() == FailureType::blocked) return blocked_delay;
    if (failure.type() == FailureType::throttled && failure.retry_after) {
        // Times below a second are believed while they hold: a server that says "0" for ever is not hammered.
        const auto least = doubled(50ms, tries, first_delay);
        return std::clamp(*failure.retry_after, least, longest_named);
    }
    const auto delay = doubled(first_delay, tries, longest_delay);
    return std::chrono::ceil<Milliseconds>(delay * (1 - jitter / 4));
}

Breaker::Breaker(std::function<double()> jitter) : jitter_(std::move(jitter)) {}

State Breaker::state(TimePoint now) const {
    return phase_ == State::ramping && rate(now) >= unlimited_rate ? State::closed : phase_;
}

bool Breaker::trip(TimePoint now, const Failure& failure) {
    if (phase_ == State::probing) return false;  // the probe will tell
    if (phase_ == State::open) {
        if (failure.type() == FailureType::outage) return false;
        const auto next = now + probe_delay(failure, tries_, jitter_());
        if (next <= next_probe_) return false;
        const bool news = failure.type() != why_;
        next_probe_ = next;
        why_ = failure.type();
        reason_ = failure.reason();
        hint_ = failure.hint;
        return news;
    }
    // In the ramp, and nothing but the probe succeeded: the endpoint has not been well since the last time.
    tries_ = state(now) == State::ramping && !served_ ? tries_ + 1 : 0;
    opened_at_ = now;
    granted_ = std::max(this_second_, last_second_);
    open(now, failure);
    return true;
}

void Breaker::open(TimePoint now, const Failure& failure) {
    phase_ = State::open;
    why_ = failure.type();
    reason_ = failure.reason();
    hint_ = failure.hint;
    next_probe_ = now + probe_delay(failure, tries_, jitter_());
}

void Breaker::succeeded(TimePoint now) {
    if (now - second_ >= 1s) {
        last_second_ = now - second_ < 2s ? this_second_ : 0;
        this_second_ = 0;
        second_ = now;
    }
    ++this_second_;
    if (phase_ == State::ramping) served_ = true;
    // Calls of the moment of the trip are still coming home.
    if (is_open()) granted_ = std::max(granted_, this_second_);
}

void Breaker::probe_started() {
    phase_ = State::probing;
}

void Breaker::probe_passed(TimePoint now) {
    phase_ = State::ramping;
    served_ = false;
    // One bad answer, or a limit, does not make a server that has just served so many a cold one.
    const bool warm = why_ == FailureType::throttled || tries_ == 0;
    first_rate_ = warm ? std::max(1.0, granted_ / 2.0) : 1;
    ramp_start_ = next_start_ = now;
}

bool Breaker::probe_failed(TimePoint now, const Failure& failure) {
    const bool news = failure.type() != why_;
    ++tries_;
    open(now, failure);
    return news;
}

void Breaker::probe_abandoned() {
    phase_ = State::open;
}

TimePoint Breaker::may_start(TimePoint now) const {
    switch (state(now)) {
        case State::closed:
            return now;
        case State::ramping:
            return next_start_;
        case State::open:
        case State::probing:
            break;
    }
    return TimePoint::max();
}

void Breaker::started(TimePoint now) {
    if (state(now) == State::ramping) next_start_ = std::max(next_start_, now - catch_up) + spacing(now);
}

void Breaker::not_started(TimePoint now) {
    if (state(now) == State::ramping) next_start_ -= spacing(now);
}

double Breaker::rate(TimePoint now) const {
    const auto passed = std::chrono::floor<seconds>(now - ramp_start_).count();
    return first_rate_ * std::exp2(static_cast<double>(std::clamp<long>(passed, 0, 30)));
}

Steady::duration Breaker::spacing(TimePoint now) const {
    return std::chrono::duration_cast<Steady::duration>(std::chrono::duration<double>(1 / rate(now)));
}

}  // namespace memoir::endpoint
