#include "endpoint/impl.hpp"

#include <algorithm>
#include <utility>

#include "base/random_id.hpp"
#include "endpoint/classify.hpp"

namespace memoir::endpoint {
namespace {

using namespace std::chrono_literals;

// A call that the provider's limits hold back for longer gives its job back instead.
constexpr auto longest_pacing = 30s;

Milliseconds whole(Steady::duration time) {
    return std::max(Milliseconds(0), std::chrono::ceil<Milliseconds>(time));
}

}  // namespace

ThreadState& this_thread() {
    thread_local ThreadState state;
    return state;
}

Endpoint::Impl::Impl(Options with, Probe by, telemetry::Log& to, const Clock& time)
    : options(std::move(with)),
      probe(std::move(by)),
      log(to),
      clock(time),
      breaker(random_unit),
      limiter(options.max_concurrent) {}

// --- a call ---------------------------------------------------------------------------------------------

std::optional<Steady::duration> Endpoint::Impl::time_to_start() const {
    if (closed) throw handed_out(Failure(FailureType::cancelled, "no call begins in a drain"));
    if (breaker.is_open()) {
        Failure failure(breaker.why(), breaker.reason());
        failure.hint = breaker.hint();
        throw handed_out(failure);
    }
    const auto now = clock.now();
    if (limiter.held_until(now) - now > longest_pacing) {
        auto failure = handed_out(Failure(FailureType::throttled, "the provider's rate limit is used up"));
        failure.retry_after = whole(limiter.held_until(now) - now);
        throw failure;
    }
    const auto start = may_start(now);
    if (start == TimePoint::max()) return std::nullopt;
    return start - now;
}

TimePoint Endpoint::Impl::may_start(TimePoint now) const {
    return has_room() ? std::max(limiter.may_start(now), breaker.may_start(now)) : TimePoint::max();
}

bool Endpoint::Impl::has_room() const {
    const int doubtful = std::max(refusals_by[0].most_alike(), refusals_by[1].most_alike());
    int most = served == 0 ? options.unproven : 0;
    // As many more as it takes to be sure.
    if (doubtful > 0) most = std::max(1, alike_jobs - doubtful);
    return most <= 0 || limiter.in_use() < most;
}

std::uint64_t Endpoint::Impl::take() {
    breaker.started(clock.now());
    return limiter.take();
}

Call Endpoint::Impl::begin(Nature nature, const std::stop_token& stop) {
    const auto begun = [&](std::uint64_t start) {
        ++calls;
        return Call{nature, clock.now(), start, ++moment, this_thread().jobs};
    };
    {
        std::lock_guard lock(mutex);
        const auto& held = this_thread().reserved;
        const auto mine = std::find_if(held.begin(), held.end(), [this](const auto* permit) {
            return permit->at == this && !permit->used;
        });
        if (mine != held.end() && !breaker.is_open() && !closed) {
            (*mine)->used = true;
            return begun((*mine)->start);
        }
        const auto wait = time_to_start();
        if (!stop.stop_requested() && waiters.empty() && wait && wait->count() <= 0) return begun(take());
    }
    const Waiting told;
    std::unique_lock lock(mutex);
    if (!waiters.wait(lock, stop, [this] { return time_to_start(); }))
        throw handed_out(Failure(FailureType::cancelled, "cancelled"));
    return begun(take());
}

void Endpoint::Impl::permit_is_free(News& news) {
    waiters.notify();
    if (refused && waiters.empty()) {
        refused = false;
        news.changed = true;
    }
}

void Endpoint::Impl::succeeded(const Call& call) {
    News news;
    {
        std::lock_guard lock(mutex);
        const auto now = clock.now();
        last_success[static_cast<int>(call.nature)] = ++moment;
        ++served;
        refusals(call.nature).served(call.jobs, moment);
        if (std::exchange(refusing, false)) {
            taken_back.clear();
            if (!breaker.is_open()) announce_closed(news);
        }
        breaker.succeeded(now);
        history.add(whole(now - call.began));
        limiter.served();
        call_ended(now - call.began, std::nullopt, news);
        limiter.give_back();
        permit_is_free(news);
    }
    publish(news);
}

void Endpoint::Impl::call_ended(Steady::duration took, std::optional<FailureType> failure, News& news) const {
    if (!observer || !observer->ended) return;
    news.ended = [told = observer, name = options.name, took, failure] { told->ended(name, took, failure); };
}

void Endpoint::Impl::abandoned() {
    News news;
    {
        std::lock_guard lock(mutex);
        limiter.give_back();
        permit_is_free(news);
    }
    publish(news);
}

// --- what is said ---------------------------------------------------------------------------------------

Milliseconds Endpoint::Impl::to_next_probe() const {
    return breaker.is_open() ? whole(breaker.next_probe() - clock.now()) : 0ms;
}

// At least a second: the claim's clock is coarser, and a probe takes its time too.
Milliseconds Endpoint::Impl::park_for() const {
    return std::max<Milliseconds>(1s, to_next_probe());
}

Failure Endpoint::Impl::described(const Failure& failure) const {
    Failure copy = failure;
    copy.endpoint = options.name;
    // A hint that names one of the section's settings ("vector.collection") needs no more.
    const auto section = options.setting.substr(0, options.setting.find('.') + 1);
    if (copy.type() == FailureType::blocked && copy.hint.find(section) == std::string::npos)
        copy.hint += (copy.hint.empty() ? "check " : "; check ") + options.setting;
    return copy;
}

Failure Endpoint::Impl::handed_out(const Failure& failure) const {
    Failure copy = described(failure);
    if (is_certain(copy.type()))
        copy.retry_after = std::max(park_for(), copy.alone ? copy.retry_after.value_or(0ms) : 0ms);
    return copy;
}

void Endpoint::Impl::announce_opened(News& news) const {
    const bool human = breaker.why() == FailureType::blocked;
    const std::string why(to_string(breaker.why()));
    std::string message = options.name + ": " + why + ": " + breaker.reason();
    if (!breaker.hint().empty()) message += "\nHINT: " + breaker.hint();
    news.events.push_back({human ? telemetry::Level::error : telemetry::Level::warning,
                           "memoir.breaker.opened",
                           std::move(message),
                           {{"endpoint", options.name},
                            {"failure_type", why},
                            {"reason", breaker.reason()},
                            {"hint", breaker.hint()},
                            {"next_probe_ms", std::int64_t{to_next_probe().count()}}}});
}

void Endpoint::Impl::announce_closed(News& news) const {
    const auto open_for = whole(clock.now() - breaker.opened_at());
    news.events.push_back({telemetry::Level::info,
                           "memoir.breaker.closed",
                           options.name + ": usable again after " + std::to_string(open_for.count()) + " ms",
                           {{"endpoint", options.name},
                            {"failure_type", std::string(to_string(breaker.why()))},
                            {"reason", breaker.reason()},
                            {"open_ms", std::int64_t{open_for.count()}}}});
}

void Endpoint::Impl::publish(News& news) {
    for (auto& event : news.events)
        if (log.wants(event.level)) log.emit(std::move(event));
    if (news.ended) news.ended();
    if (!news.changed) return;
    std::vector<std::function<void()>> told;
    {
        std::lock_guard lock(mutex);
        told = on_change;
    }
    for (const auto& callback : told) callback();
}

}  // namespace memoir::endpoint
