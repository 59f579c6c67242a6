#include "endpoint/limiter.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace memoir::endpoint {
namespace {

using namespace std::chrono_literals;
using Seconds = std::chrono::duration<double>;

constexpr auto longest_hold = 1h;
// How many times as many as run at once have to succeed before one more may: each try that is too many costs
// a job an attempt.
constexpr int patience = 16;
// Limits are by the minute where nothing tells the rate (a full bucket names no time).
constexpr Seconds usual_period = 60s;

}  // namespace

double Limiter::Bucket::at(TimePoint now) const {
    return std::min(limit, tokens + per_second * Seconds(now - as_of).count());
}

// Half a call more than the one that is to start: the server rounds, and counts when a call arrives.
double Limiter::Bucket::needed() const {
    return 1 + std::min(0.5, (limit - 1) / 2);
}

TimePoint Limiter::held_until(TimePoint now) const {
    TimePoint until = hold_;
    for (const auto& [name, bucket] : buckets_) {
        const double missing = bucket.needed() - bucket.at(now);
        // A millionth of a call is rounding, not a reason to wait.
        if (missing < 1e-6) continue;
        const Seconds wait(missing / bucket.per_second);
        until = std::max(
            until, now + (wait < longest_hold ? std::chrono::ceil<Steady::duration>(wait) : longest_hold));
    }
    return until;
}

TimePoint Limiter::may_start(TimePoint now) const {
    return has_permit() ? held_until(now) : TimePoint::max();
}

std::uint64_t Limiter::take() {
    ++in_use_;
    return spend();
}

std::uint64_t Limiter::spend() {
    for (auto& [name, bucket] : buckets_) bucket.tokens -= 1;
    return ++starts_;
}

void Limiter::refund() {
    --in_use_;
    for (auto& [name, bucket] : buckets_) bucket.tokens += 1;
}

void Limiter::timed_out(std::uint64_t start) {
    if (in_use_ <= 1 || start <= halved_at_) return;
    ceiling_ = max_concurrent_ > 0 ? max_concurrent_ : std::max(ceiling_, in_use_);
    allowed_ = std::max(1, (allowed_ > 0 ? std::min(allowed_, in_use_) : in_use_) / 2);
    halved_at_ = starts_;
    served_ = 0;
}

void Limiter::served() {
    if (allowed_ == 0 || ++served_ < patience * allowed_) return;
    served_ = 0;
    if (++allowed_ >= ceiling_) allowed_ = 0;
}

void Limiter::hold_until(TimePoint now, TimePoint until) {
    hold_ = std::max(hold_, std::min(until, now + longest_hold));
}

Limiter::Bucket& Limiter::bucket(std::string_view which) {
    for (auto& [name, bucket] : buckets_)
        if (name == which) return bucket;
    return buckets_.emplace_back(std::string(which), Bucket{0, 0, 0, {}}).second;
}

void Limiter::observe(TimePoint now, std::string_view which, const Quota& quota, std::uint64_t start,
                      TimePoint began) {
    if (!std::isfinite(quota.limit) || !std::isfinite(quota.remaining) || !(quota.limit > 0) ||
        !(quota.remaining >= 0) || !(quota.cost > 0) || quota.reset.count() < 0)
        return;
    auto& known = bucket(which);
    const double limit = std::max(1.0, quota.limit / quota.cost);
    const double remaining = std::min(limit, quota.remaining / quota.cost);
    const double missing = limit - remaining;
    // Whole numbers tell the rate of a nearly full bucket badly: then what is known is better.
    const bool tells = missing >= std::min(4.0, limit / 2) && quota.reset.count() > 0;
    if (tells || (known.per_second <= 0 && missing > 0 && quota.reset.count() > 0))
        known.per_second = missing / Seconds(quota.reset).count();
    else if (known.per_second <= 0 || known.limit != limit)
        known.per_second = limit / usual_period.count();
    known.limit = limit;
    // The header is as old as the call, at most: since then the bucket filled, and later starts, which it
    // does not count, emptied it.
    const double later = static_cast<double>(starts_ - start);
    known.tokens = std::min(limit, remaining + known.per_second * Seconds(now - began).count() - later);
    known.as_of = now;
}

}  // namespace memoir::endpoint
