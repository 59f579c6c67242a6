#include "endpoint/impl.hpp"

#include <algorithm>

#include "base/random_id.hpp"
#include "endpoint/charging.hpp"
#include "endpoint/classify.hpp"

namespace memoir::endpoint {
namespace {

using namespace std::chrono_literals;

// A call that the provider's limits hold back for longer gives its job back instead.
constexpr auto longest_pacing = 30s;

// Between the first and the last of the calls in flight to notice that their server is gone.
constexpr auto cuts_belong_together = 500ms;

bool is_certain(FailureType type) {
    return type == FailureType::outage || type == FailureType::throttled || type == FailureType::blocked;
}

Milliseconds whole(Steady::duration time) {
    return std::max(Milliseconds(0), std::chrono::ceil<Milliseconds>(time));
}

Failure as(FailureType type, const Failure& failure) {
    Failure copy(type, failure.reason());
    copy.retry_after = failure.retry_after;
    copy.hint = failure.hint;
    return copy;
}

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

// Lets go of a lock for its own lifetime.
class Unlocked {
  public:
    explicit Unlocked(std::unique_lock<std::mutex>& lock) : lock_(lock) { lock_.unlock(); }
    ~Unlocked() { lock_.lock(); }
    Unlocked(const Unlocked&) = delete;
    Unlocked& operator=(const Unlocked&) = delete;

  private:
    std::unique_lock<std::mutex>& lock_;
};

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
    return std::max(limiter.may_start(now), breaker.may_start(now));
}

std::uint64_t Endpoint::Impl::take() {
    breaker.started(clock.now());
    return limiter.take();
}

Call Endpoint::Impl::begin(Nature nature, const std::stop_token& stop) {
    const auto begun = [&](std::uint64_t start) {
        ++calls;
        return Call{nature, clock.now(), start, ++moment};
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
        breaker.succeeded(now);
        history.add(whole(now - call.began));
        limiter.served();
        call_ended(now - call.began, std::nullopt, news);
        limiter.give_back();
        permit_is_free(news);
    }
    publish(news);
}

// Whether what else happens at the endpoint has a say in what a failure is.
bool Endpoint::Impl::is_doubtful(const Failure& failure, Shown shown) const {
    if (!probe) return failure.type() == FailureType::ambiguous;
    switch (failure.type()) {
        case FailureType::ambiguous:
        // A server that refuses everything, after an upgrade, say, must not have it all thrown away.
        case FailureType::permanent:
            return true;
        // A gateway may refuse one memory in these words, and a server that has just worked shed one call:
        // that holds up nobody else.
        case FailureType::blocked:
            return worked() && !failure.of_account;
        case FailureType::outage:
            return worked() && shown == Shown::said;
        default:
            return false;
    }
}

bool Endpoint::Impl::worked() const {
    return std::ranges::any_of(last_success, [](auto success) { return success > 0; });
}

Failure Endpoint::Impl::failed(const Call& call, const Failure& failure, const std::stop_token& stop,
                               Shown shown) {
    News news;
    Failure result = failure;
    {
        // A verdict may take a probe's time, which is not the job's.
        std::optional<Waiting> told;
        if (failure.type() != FailureType::cancelled) told.emplace();
        std::unique_lock lock(mutex);
        const auto took = clock.now() - call.began;
        if (shown == Shown::silent) limiter.timed_out(call.start);
        // The permit is held until the verdict: a hung server does not get the next call meanwhile.
        if (is_doubtful(failure, shown)) {
            const auto verdict = judged(lock, call, failure, shown, stop, news);
            // Of some there is no doubt what they are, only whose: the job's alone, where the server works
            // for others.
            const bool certain = is_certain(failure.type());
            if (failure.type() == FailureType::ambiguous || verdict.type() == FailureType::cancelled ||
                verdict.spared) {
                result = verdict;
            } else if (verdict.type() == FailureType::job) {
                result.alone = certain;
            } else if (!certain) {
                result = verdict;
            }
        } else if (is_certain(failure.type())) {
            trip(failure, call.nature, news);
        }
        if (result.type() != FailureType::cancelled) {
            ++failures;
            call_ended(took, result.type(), news);
        }
        limiter.give_back();
        permit_is_free(news);
        result = handed_out(result);
    }
    publish(news);
    return result;
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

// --- charging and probing -------------------------------------------------------------------------------

Failure Endpoint::Impl::judged(std::unique_lock<std::mutex>& lock, const Call& call, const Failure& failure,
                               Shown shown, const std::stop_token& stop, News& news) {
    const auto failed_at = ++moment;
    // What succeeded before a server hung, went away or began to refuse says nothing about the one of now.
    const bool late = shown != Shown::said || is_certain(failure.type());
    const auto evidence_from = late ? failed_at : call.moment;
    const Cut cut{call.moment, failed_at, clock.now()};
    if (shown == Shown::cut) {
        std::erase_if(cuts, [&](const Cut& earlier) { return cut.at - earlier.at > cuts_belong_together; });
        cuts.push_back(cut);
    }
    for (;;) {
        if (stop.stop_requested()) return Failure(FailureType::cancelled, "cancelled");
        Circumstances known;
        known.open = breaker.is_open() || last_trip > failed_at;
        known.others_succeeded = last_success[static_cast<int>(call.nature)] > evidence_from;
        known.can_probe = static_cast<bool>(probe);
        switch (judge(known)) {
            case Blame::job:
                // One job can make a server break its connection, hardly several at once: the server went
                // away and is back. Those whose fault it was all the same will bring it again.
                if (shown == Shown::cut && cut_together(cut)) {
                    auto outage = as(FailureType::outage, failure);
                    outage.spared = true;
                    return outage;
                }
                if (failure.type() == FailureType::ambiguous) ++charged_jobs;
                return as(FailureType::job, failure);
            case Blame::outage: {
                auto outage = as(FailureType::outage, failure);
                trip(outage, call.nature, news);
                return outage;
            }
            case Blame::probe:
                if (closed) return Failure(FailureType::cancelled, "no probe begins in a drain");
                // Somebody else's run is evidence for all who failed before it ended.
                if (probe_runs)
                    probe_over.wait(lock, stop, [this] { return !probe_runs; });
                else
                    run_probe(lock, call.nature, stop, news);
        }
    }
}

// Another call, in flight at the same time, was cut at about the same time.
bool Endpoint::Impl::cut_together(const Cut& cut) const {
    return std::any_of(cuts.begin(), cuts.end(), [&](const Cut& other) {
        return other.began != cut.began && other.began < cut.failed && cut.began < other.failed &&
               std::chrono::abs(other.at - cut.at) <= cuts_belong_together;
    });
}

void Endpoint::Impl::run_probe(std::unique_lock<std::mutex>& lock, Nature nature, const std::stop_token& stop,
                               News& news) {
    const bool canary = breaker.is_open();
    if (canary) breaker.probe_started();
    probe_runs = true;
    std::optional<Failure> failure;
    if (probe) {
        ++canaries;
        const Call call{nature, clock.now(), limiter.spend(), ++moment};
        const Unlocked unlocked(lock);
        failure = outcome_of_probe(call, stop);
    }
    probe_runs = false;
    probe_over.notify_all();
    if (!failure || !(failure->type() == FailureType::cancelled || stop.stop_requested()))
        probed(canary, nature, failure, news);
    else if (canary)
        breaker.probe_abandoned();
}

std::optional<Failure> Endpoint::Impl::outcome_of_probe(const Call& call, const std::stop_token& stop) const {
    try {
        const UnderWay under_way(this, call);
        probe(call.nature, stop);
        return std::nullopt;
    } catch (const Failure& failure) {
        return failure;
    } catch (const http::TransportFailure& failure) {
        return classify(failure, options.setting);
    } catch (const std::exception&) {
        return Failure(FailureType::outage, "the probe failed");
    }
}

void Endpoint::Impl::probed(bool canary, Nature nature, const std::optional<Failure>& failure, News& news) {
    // An answer that refuses the probe itself (job, permanent) comes from a server that works.
    if (!failure || failure->type() == FailureType::job || failure->type() == FailureType::permanent) {
        last_success[static_cast<int>(nature)] = ++moment;
        if (!canary) return;
        breaker.probe_passed(clock.now());
        announce_closed(news);
        news.changed = true;
        return;
    }
    const Failure certain = is_certain(failure->type()) ? *failure : as(FailureType::outage, *failure);
    if (!canary)
        trip(certain, nature, news);
    else if (breaker.probe_failed(clock.now(), described(certain)))
        announce_opened(news);
}

void Endpoint::Impl::trip(const Failure& failure, Nature nature, News& news) {
    const bool was_open = breaker.is_open();
    if (breaker.trip(clock.now(), described(failure))) announce_opened(news);
    if (was_open) return;
    last_trip = ++moment;
    failed_nature = nature;
    waiters.notify_all();
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
    if (is_certain(copy.type())) copy.retry_after = park_for();
    return copy;
}

void Endpoint::Impl::announce_opened(News& news) const {
    const bool human = breaker.why() == FailureType::blocked;
    const std::string why(to_string(breaker.why()));
    std::string message = options.name + ": " + why + ": " + breaker.reason();
    if (human && !breaker.hint().empty()) message += "\nHINT: " + breaker.hint();
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
