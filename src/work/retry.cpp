#include "work/retry.hpp"

#include <algorithm>

#include "endpoint/blame.hpp"

namespace memoir::work {

namespace {
// An outage of something that has no endpoint to ask (memory of the in-process model): long enough not to
// spin.
constexpr Milliseconds without_endpoint{5'000};
// Until others were asked, where the endpoint names no time.
constexpr Milliseconds until_confirmed{1'000};

Decision held(const Failure& failure) {
    return {Decision::End::park, std::max(until_confirmed, failure.retry_after.value_or(until_confirmed)), 0};
}
}  // namespace

Milliseconds back_off(int attempt, Milliseconds base, Milliseconds cap, double random) {
    // 2³⁰ × 1 ms is above any cap that the configuration allows.
    const int doublings = std::clamp(attempt - 1, 0, 30);
    const auto full =
        std::min<double>(static_cast<double>(cap.count()),
                         static_cast<double>(base.count()) * static_cast<double>(1LL << doublings));
    return Milliseconds(static_cast<Milliseconds::rep>(full * (0.75 + 0.25 * random)));
}

Decision decide(const Failure& failure, int attempts, Milliseconds wait, const Options& options,
                double random) {
    switch (failure.type()) {
        case FailureType::cancelled:
            return {Decision::End::release};
        case FailureType::outage:
        case FailureType::throttled:
        case FailureType::blocked: {
            const auto named = std::max(wait, failure.retry_after.value_or(Milliseconds(0)));
            const auto least = named.count() > 0 ? named : without_endpoint;
            // A tenth of jitter, so that a fleet does not come back as one.
            return {Decision::End::park,
                    least + Milliseconds(static_cast<Milliseconds::rep>(static_cast<double>(least.count()) *
                                                                        0.1 * random)),
                    0};
        }
        case FailureType::permanent:
            if (endpoint::is_unconfirmed(failure)) return held(failure);
            return {Decision::End::fail};
        case FailureType::job:
        case FailureType::ambiguous:  // an endpoint lets none out; here there was none to charge
            break;
    }
    if (attempts + 1 >= options.max_attempts)
        return endpoint::is_unconfirmed(failure) ? held(failure) : Decision{Decision::End::fail};
    const auto delay = std::max(back_off(attempts + 1, options.retry_base, options.retry_cap, random),
                                failure.retry_after.value_or(Milliseconds(0)));
    return {Decision::End::park, delay, 1};
}

}  // namespace memoir::work
