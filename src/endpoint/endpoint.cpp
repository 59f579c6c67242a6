#include "endpoint/endpoint.hpp"

#include <algorithm>
#include <utility>

#include "endpoint/classify.hpp"
#include "endpoint/impl.hpp"

namespace memoir::endpoint {
namespace {

Milliseconds whole(Steady::duration time) {
    return std::max(Milliseconds(0), std::chrono::ceil<Milliseconds>(time));
}

}  // namespace

Endpoint::Endpoint(Options options, Probe probe, telemetry::Log& log, const Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(probe), log, clock)) {}

Endpoint::~Endpoint() = default;

OnBehalf::OnBehalf(Jobs jobs) : before_(std::move(this_thread().jobs)) {
    std::ranges::sort(jobs);
    this_thread().jobs = std::move(jobs);
}

OnBehalf::~OnBehalf() {
    this_thread().jobs = std::move(before_);
}

void Endpoint::call(Nature nature, std::stop_token stop, const std::function<void()>& work) {
    const Call call = impl_->begin(nature, stop);
    try {
        const UnderWay under_way(impl_.get(), call);
        work();
    } catch (Failure& failure) {
        const Failure told = impl_->failed(call, failure, stop, Shown::said);
        if (told.type() != failure.type()) throw told;
        // The same object, so that a provider's own class of failure stays what it is.
        failure = told;
        throw;
    } catch (const http::TransportFailure& failure) {
        using Error = http::TransportError;
        const auto told = classify(failure, impl_->options.setting);
        const bool silent = failure.error() == Error::timeout || failure.error() == Error::silence;
        const bool cut = told.type() == FailureType::ambiguous || failure.error() == Error::not_http;
        throw impl_->failed(call, told, stop, silent ? Shown::silent : cut ? Shown::cut : Shown::said);
    } catch (...) {
        impl_->abandoned();
        throw;
    }
    impl_->succeeded(call);
}

void Endpoint::close() {
    std::lock_guard lock(impl_->mutex);
    impl_->closed = true;
    impl_->waiters.notify_all();
}

std::optional<Permit> Endpoint::reserve() {
    std::lock_guard lock(impl_->mutex);
    if (impl_->closed) return std::nullopt;
    const auto now = impl_->clock.now();
    if (!impl_->waiters.empty() || !impl_->limiter.has_permit() || !impl_->has_room()) {
        impl_->refused = true;
        return std::nullopt;
    }
    if (impl_->may_start(now) > now) return std::nullopt;
    return Permit(std::make_unique<Permit::Slot>(Permit::Slot{impl_.get(), impl_->take()}));
}

Permit::Permit(std::unique_ptr<Slot> slot) : slot_(std::move(slot)) {
    this_thread().reserved.push_back(slot_.get());
}

Permit::Permit(Permit&&) noexcept = default;

Permit::~Permit() {
    if (!slot_) return;
    std::erase(this_thread().reserved, slot_.get());
    if (slot_->used) return;
    auto& at = *slot_->at;
    Endpoint::Impl::News news;
    {
        std::lock_guard lock(at.mutex);
        at.limiter.refund();
        at.breaker.not_started(at.clock.now());
        at.permit_is_free(news);
    }
    at.publish(news);
}

bool Endpoint::allows_claims() const {
    std::lock_guard lock(impl_->mutex);
    const auto now = impl_->clock.now();
    return std::max(impl_->breaker.may_start(now), impl_->limiter.held_until(now)) <= now;
}

Milliseconds Endpoint::claims_in() const {
    std::lock_guard lock(impl_->mutex);
    const auto now = impl_->clock.now();
    // Open: nothing before the probe, and a moment for the probe itself.
    if (impl_->breaker.is_open()) return std::max(Milliseconds(50), impl_->to_next_probe());
    return whole(std::max(impl_->breaker.may_start(now), impl_->limiter.held_until(now)) - now);
}

Milliseconds Endpoint::park_for() const {
    std::lock_guard lock(impl_->mutex);
    return impl_->park_for();
}

const std::string& Endpoint::name() const {
    return impl_->options.name;
}

std::uint64_t Endpoint::served() const {
    std::lock_guard lock(impl_->mutex);
    return impl_->served;
}

Jobs Endpoint::take_charged() {
    std::lock_guard lock(impl_->mutex);
    return std::exchange(impl_->charged, {});
}

Snapshot Endpoint::snapshot() const {
    std::lock_guard lock(impl_->mutex);
    const auto& self = *impl_;
    const auto now = self.clock.now();
    Snapshot shown;
    shown.name = self.options.name;
    shown.state = self.breaker.state(now);
    shown.why = self.breaker.why();
    shown.reason = self.breaker.reason();
    shown.hint = self.breaker.hint();
    shown.next_probe = self.to_next_probe();
    shown.in_flight = self.limiter.in_use();
    shown.calls = self.calls;
    shown.failures = self.failures;
    shown.canaries = self.canaries;
    shown.waiting = self.waiters.size();
    shown.max_concurrent = self.limiter.most();
    if (self.breaker.is_open()) shown.open_for = whole(now - self.breaker.opened_at());
    shown.held_for = whole(self.limiter.held_until(now) - now);
    shown.charged_jobs = self.charged_jobs;
    shown.served = self.served;
    return shown;
}

bool Endpoint::probe_if_due(std::stop_token stop, bool now) {
    Impl::News news;
    bool usable = false;
    {
        std::unique_lock lock(impl_->mutex);
        if (!impl_->probe_runs && (now || impl_->breaker.probe_due(impl_->clock.now())))
            impl_->run_probe(lock, impl_->failed_nature, stop, news);
        usable = !impl_->breaker.is_open();
    }
    impl_->publish(news);
    return usable;
}

void Endpoint::probe_soon() {
    std::lock_guard lock(impl_->mutex);
    impl_->breaker.hurry(impl_->clock.now());
}

void Endpoint::on_change(std::function<void()> changed) {
    std::lock_guard lock(impl_->mutex);
    impl_->on_change.push_back(std::move(changed));
}

void Endpoint::observe(std::shared_ptr<const CallObserver> observer) {
    std::lock_guard lock(impl_->mutex);
    impl_->observer = std::move(observer);
}

void Endpoint::used_tokens(std::int64_t input, std::int64_t output) {
    std::shared_ptr<const CallObserver> observer;
    {
        std::lock_guard lock(impl_->mutex);
        observer = impl_->observer;
    }
    if (observer && observer->tokens) observer->tokens(impl_->options.name, input, output);
}

void Endpoint::hold_until(TimePoint until) {
    std::lock_guard lock(impl_->mutex);
    impl_->limiter.hold_until(impl_->clock.now(), until);
    impl_->waiters.notify();
}

void Endpoint::observe_quota(std::string_view which, const Quota& quota) {
    std::lock_guard lock(impl_->mutex);
    const auto now = impl_->clock.now();
    const Call* answered = nullptr;
    for (const auto& [at, call] : this_thread().under_way)
        if (at == impl_.get()) answered = call;
    impl_->limiter.observe(now, which, quota, answered ? answered->start : impl_->limiter.last_start(),
                           answered ? answered->began : now);
    impl_->waiters.notify();
}

std::optional<Durations> Endpoint::typical() const {
    std::lock_guard lock(impl_->mutex);
    return impl_->history.typical();
}

std::optional<Milliseconds> Endpoint::typical_duration() const {
    const auto durations = typical();
    return durations ? std::optional(durations->p95) : std::nullopt;
}

void Endpoint::set_wait_hook(std::function<void(bool)> hook) {
    this_thread().wait_hook = std::move(hook);
}

}  // namespace memoir::endpoint
