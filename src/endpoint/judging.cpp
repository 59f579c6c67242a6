// What becomes of a failed call: the decision is blame.hpp's, the evidence is gathered here.
#include <algorithm>
#include <utility>

#include "endpoint/classify.hpp"
#include "endpoint/impl.hpp"

namespace memoir::endpoint {
namespace {

using namespace std::chrono_literals;

// Between the first and the last of the calls in flight to notice that their server is gone.
constexpr auto cuts_belong_together = 500ms;
// For so long a probe that passed is not repeated for refusals by the same server.
constexpr auto probe_stands = 30s;
// A job that waits for what others are told waits long enough for them to be asked, and no longer than that.
constexpr Milliseconds least_wait = 1s, longest_wait = 10min;

Failure as(FailureType type, const Failure& failure) {
    Failure copy(type, failure.reason());
    copy.retry_after = failure.retry_after;
    copy.hint = failure.hint;
    return copy;
}

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
        if (failure.type() != FailureType::cancelled) result = judged(lock, call, failure, shown, stop, news);
        if (is_unconfirmed(result) && result.type() == FailureType::permanent)
            result.retry_after =
                std::clamp(alike_jobs * std::chrono::ceil<Milliseconds>(took), least_wait, longest_wait);
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

Failure Endpoint::Impl::judged(std::unique_lock<std::mutex>& lock, const Call& call, const Failure& failure,
                               Shown shown, const std::stop_token& stop, News& news) {
    const Cut cut{call.moment, ++moment, clock.now()};
    if (shown == Shown::cut) {
        std::erase_if(cuts, [&](const Cut& earlier) { return cut.at - earlier.at > cuts_belong_together; });
        cuts.push_back(cut);
    }
    refusals(call.nature).refused(failure, call.jobs, cut.failed);
    for (;;) {
        const auto now = known(call, failure, shown, cut);
        const bool doubtful = is_doubtful(failure, shown, now);
        if (doubtful && stop.stop_requested()) return Failure(FailureType::cancelled, "cancelled");
        const auto blame = judge(failure, shown, now);
        if (blame == Blame::endpoint && doubtful && is_certain(failure.type()))
            return failure;  // open by now
        if (blame != Blame::probe) return verdict(blame, call, failure, news);
        if (closed) return Failure(FailureType::cancelled, "no probe begins in a drain");
        // Another call's run is evidence for all who failed before it ended.
        if (probe_runs)
            probe_over.wait(lock, stop, [this] { return !probe_runs; });
        else
            run_probe(lock, call.nature, stop, news);
    }
}

Known Endpoint::Impl::known(const Call& call, const Failure& failure, Shown shown, const Cut& cut) const {
    const auto nature = static_cast<int>(call.nature);
    const auto evidence_from = is_judged_by_what_follows(failure, shown) ? cut.failed : call.moment;
    Known known;
    known.can_probe = static_cast<bool>(probe);
    known.worked = worked();
    known.open = breaker.is_open() || last_trip > cut.failed;
    known.others_succeeded = last_success[nature] > evidence_from;
    known.cut_together = shown == Shown::cut && cut_together(cut);
    known.standing = refusals_by[nature].standing(failure, call.jobs);
    // A 500 may be the first of an outage that began after the probe: two of them are asked after anew.
    const int alike_enough = failure.type() == FailureType::ambiguous ? 2 : 1;
    known.probe_passed = known.standing.alike > alike_enough && shown == Shown::said &&
                         probe_passed[nature] && clock.now() - *probe_passed[nature] < probe_stands;
    return known;
}

Failure Endpoint::Impl::verdict(Blame blame, const Call& call, const Failure& failure, News& news) {
    const bool certain = is_certain(failure.type());
    Failure result = failure;
    switch (blame) {
        case Blame::endpoint:
            if (!certain) result = as(FailureType::outage, failure);
            refusals(call.nature).explained(failure, call.jobs);
            trip(result, call.nature, news);
            break;
        case Blame::everybody:
            result = of_everybody(failure, "every job is refused: ");
            if (!certain && failure.type() != FailureType::permanent) take_back(call, failure);
            // Said once, and not after each probe that passes in vain.
            trip(result, call.nature, news, std::exchange(refusing, true));
            break;
        case Blame::spared:
            result = as(FailureType::outage, failure);
            result.spared = true;
            break;
        case Blame::job:
        case Blame::unconfirmed:
            if (failure.type() == FailureType::ambiguous) {
                result = as(FailureType::job, failure);
                ++charged_jobs;
            }
            // Of some there is no doubt what they are, only whose: the job's alone, where the server works
            // for others.
            result.alone = certain;
            result.spared = blame == Blame::unconfirmed && !certain;
            break;
        case Blame::probe:
            break;
    }
    return result;
}

// Each job's attempt once, until another job is served.
void Endpoint::Impl::take_back(const Call& call, const Failure& failure) {
    for (const auto job : refusals(call.nature).companions(failure, call.jobs))
        if (taken_back.insert(job).second) charged.push_back(job);
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
        const Call call{nature, clock.now(), limiter.spend(), ++moment, {}};
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
    if (!failure) {
        last_success[static_cast<int>(nature)] = ++moment;
        probe_passed[static_cast<int>(nature)] = clock.now();
        if (!canary) return;
        breaker.probe_passed(clock.now());
        if (!refusing) announce_closed(news);
        news.changed = true;
        return;
    }
    probe_passed[static_cast<int>(nature)].reset();
    const bool disliked = failure->type() == FailureType::job || failure->type() == FailureType::permanent;
    const Failure certain = disliked                      ? of_everybody(*failure, "the probe is refused: ")
                            : is_certain(failure->type()) ? *failure
                                                          : as(FailureType::outage, *failure);
    if (!canary)
        trip(certain, nature, news);
    else if (breaker.probe_failed(clock.now(), described(certain)))
        announce_opened(news);
}

void Endpoint::Impl::trip(const Failure& failure, Nature nature, News& news, bool told) {
    const bool was_open = breaker.is_open();
    if (breaker.trip(clock.now(), described(failure)) && !told) announce_opened(news);
    if (was_open) return;
    last_trip = ++moment;
    failed_nature = nature;
    waiters.notify_all();
}

}  // namespace memoir::endpoint
