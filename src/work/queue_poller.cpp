#include "work/queue_poller.hpp"

#include <algorithm>

#include "base/pause.hpp"

namespace memoir::work {

namespace {
// Past its deadline for so long, a loop does not answer to cancelling any more (docs/architecture.md,
// "Telemetry").
constexpr Milliseconds stuck_after{30'000};
}  // namespace

bool LookSchedule::due(const std::string& kind, TimePoint now) const {
    const auto found = kinds_.find(kind);
    return found == kinds_.end() || found->second.next <= now;
}

void LookSchedule::took(const std::string& kind, TimePoint now, Milliseconds duration) {
    auto& state = kinds_[kind];
    state.interval = duration > dear ? std::clamp(state.interval * 2, poll_ * 2, std::max(longest, poll_ * 2))
                                     : Milliseconds(0);
    state.next = now + state.interval;
}

bool LookSchedule::slow(const std::string& kind) const {
    const auto found = kinds_.find(kind);
    return found != kinds_.end() && found->second.interval.count() > 0;
}

QueuePoller::QueuePoller(Context& context, bool pauses)
    : context_(context), pauses_(pauses), schedule_(context.plan()->options.poll_interval) {}

void QueuePoller::start() {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void QueuePoller::stop() {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    thread_.join();
}

void QueuePoller::run(const std::stop_token& stop) {
    while (pause(context_.plan()->options.poll_interval, stop)) {
        stuck_ = context_.claims.expire(Steady::now(), stuck_after);
        try {
            look(stop);
        } catch (const pg::Error& error) {
            // `memoirctl schema remove` took the table of pauses away under us.
            if (pauses_ && error.error_class() == pg::ErrorClass::schema) pauses_ = false;
            if (!stop.stop_requested())
                context_.log.warning("memoir.worker.claim_failed", "poll of the queue failed",
                                     {{"error", std::string(error.what())}});
        }
        context_.lanes.poke();
    }
}

void QueuePoller::look(const std::stop_token& stop) {
    const auto now = Steady::now();
    schedule_.poll_every(context_.plan()->options.poll_interval);
    auto kinds = context_.lanes.kinds();
    if (together_) {
        look_at(kinds, stop);
        return;
    }
    std::erase_if(kinds, [&](const auto& kind) { return !schedule_.due(kind, now); });
    for (const auto& kind : kinds) look_at(std::span(&kind, 1), stop);
    const auto all = context_.lanes.kinds();
    together_ = std::none_of(all.begin(), all.end(), [&](const auto& kind) { return schedule_.slow(kind); });
}

void QueuePoller::look_at(std::span<const std::string> kinds, const std::stop_token& stop) {
    if (kinds.empty()) return;
    auto connection = context_.pool.acquire(stop, context_.plan()->options.poll_interval);
    const auto statement = queue::first_pending(context_.schema, kinds, pauses_, context_.indexed);
    const auto sent = Steady::now();
    const auto result = queue::look_result(connection->exec(statement, stop));
    const auto took = std::chrono::duration_cast<Milliseconds>(Steady::now() - sent);
    if (kinds.size() == 1) {
        schedule_.took(kinds.front(), Steady::now(), took);
        context_.lanes.set_slow(kinds.front(), schedule_.slow(kinds.front()));
    }
    if (took > LookSchedule::dear) together_ = false;  // each by itself, until it is known which one is dear
    tell_pauses({result.paused.begin(), result.paused.end()});
    context_.lanes.looked(result);
}

void QueuePoller::tell_pauses(const std::set<std::string>& paused) {
    if (!pauses_) return;
    const auto tell = [&](const char* name, const char* message, const std::string& kind) {
        context_.log.info(name, message, {{"kind", kind}});
    };
    for (const auto& kind : paused)
        if (!paused_.contains(kind)) tell("memoir.fleet.paused", "claims paused for the whole fleet", kind);
    for (const auto& kind : paused_)
        if (!paused.contains(kind)) tell("memoir.fleet.resumed", "claims resumed for the whole fleet", kind);
    paused_ = paused;
}

}  // namespace memoir::work
