#include "app/observation.hpp"

#include <map>

#include "endpoint/endpoint.hpp"
#include "http/listen_address.hpp"
#include "queue/admin.hpp"

namespace memoir::app {

namespace {

// However many processes ask, each asks this rarely (a queue's depth is one statement, but not a free one).
constexpr Milliseconds depth_interval{5'000};

std::string lane_of(const std::string& worker) {
    return worker.substr(0, worker.rfind('.'));
}

}  // namespace

Observation::Observation(telemetry::SinkLog& log) : log_(log) {
    metrics_.before_exposition([this] { refresh(); });
}

work::Observer Observation::observer() {
    work::Observer observer;
    observer.claimed = [this](const std::string& kind, int rows) { metrics_.claims.add({kind}, rows); };
    observer.ended = [this](const work::Observer::End& end) {
        metrics_.settles.add({end.kind, std::string(end.outcome), std::string(end.failure)});
        metrics_.wait.observe({end.kind}, end.waited);
        metrics_.run.observe({end.kind}, end.run);
        if (end.outcome == "retried" || end.outcome == "failed") metrics_.attempts.add({end.kind});
        if (end.outcome == "retried") metrics_.retries.add({end.kind});
        if (end.outcome == "released") metrics_.released.add({end.kind});
        if (end.outcome == "lost") metrics_.leases_lost.add({end.kind});
    };
    observer.recovered = [this](const std::string& kind, const std::string& from) {
        metrics_.recovered.add({kind, from == "dead" ? "memoird" : from});
    };
    return observer;
}

void Observation::serve(boost::asio::io_context& control, const telemetry::MetricsOptions& options) {
    if (options.listen.empty()) return;
    http::Routes routes;
    routes["/metrics"] = [this](const std::string&) {
        return http::Reply{200, telemetry::Metrics::content_type, metrics_.exposition()};
    };
    // The control loop answers this: that it does is the health.
    routes["/healthz"] = [](const std::string&) { return http::Reply{.body = "ok\n"}; };
    routes["/readyz"] = [this](const std::string&) { return ready(); };
    server_ = std::make_unique<http::Server>(control, http::parse_listen(options.listen), std::move(routes));
}

void Observation::watch(work::Engine& engine, Backends& backends, pg::Pool& pool) {
    std::lock_guard lock(mutex_);
    engine_ = &engine;
    backends_ = &backends;
    pool_ = &pool;
    for (const auto& [kind, reason] : backends.unserved()) metrics_.unserved.set({kind}, 1);
}

void Observation::draining() {
    draining_ = true;
}

void Observation::stop() {
    {
        std::lock_guard lock(mutex_);
        engine_ = nullptr;
        backends_ = nullptr;
        pool_ = nullptr;
    }
    if (server_) server_->stop();
}

http::Reply Observation::ready() const {
    std::lock_guard lock(mutex_);
    if (draining_) return {.status = 503, .body = "draining\n"};
    if (!engine_) return {.status = 503, .body = "starting\n"};
    if (!pool_->up()) return {.status = 503, .body = "the database is away\n"};
    return {.body = "ready\n"};
}

void Observation::refresh() {
    metrics_.log_dropped.with({}).follow(log_.dropped());
    metrics_.draining.set({}, draining_ ? 1 : 0);
    std::lock_guard lock(mutex_);
    metrics_.database_up.set({}, pool_ && pool_->up() ? 1 : 0);
    if (!engine_) return;
    metrics_.pool_size.set({}, pool_->size());
    metrics_.pool_in_use.set({}, pool_->in_use());
    std::map<std::string, int> jobs;
    for (const auto& [lane, loops] : engine_->loops()) {
        jobs[lane] = 0;
        metrics_.loops.set({lane}, loops);
    }
    for (const auto& activity : engine_->activities()) jobs[lane_of(activity.worker)] += activity.jobs;
    for (const auto& [lane, count] : jobs) metrics_.in_flight.set({lane}, count);
    for (const auto& kind : engine_->kinds()) metrics_.paused.set({kind}, engine_->paused(kind) ? 1 : 0);
    for (const auto* endpoint : backends_->endpoints()) {
        const auto now = endpoint->snapshot();
        for (const auto state : {endpoint::State::closed, endpoint::State::open, endpoint::State::probing,
                                 endpoint::State::ramping})
            metrics_.breaker.set({now.name, std::string(to_string(state))}, now.state == state ? 1 : 0);
    }
}

void Observation::tick(pg::Pool& pool, const std::string& schema) {
    if (!server_ || Steady::now() < next_depth_) return;
    next_depth_ = Steady::now() + depth_interval;
    try {
        auto lease = pool.acquire({}, Milliseconds(1'000));
        const auto statement = queue::depth_statement(schema);
        for (const auto& depth : queue::read_depths(lease->exec(statement))) {
            const auto set = [&](const char* state, std::int64_t count) {
                metrics_.queue_jobs.set({depth.kind, state}, static_cast<double>(count));
                metrics_.queue_jobs_capped.set({depth.kind, state}, count >= queue::depth_cap ? 1 : 0);
            };
            set("pending", depth.pending);
            set("parked", depth.parked);
            set("claimed", depth.claimed);
            set("failed", depth.failed);
            metrics_.queue_oldest.set({depth.kind}, depth.oldest.value_or(0));
        }
    } catch (const pg::Error&) {
        // The gauges keep what was last seen; database_up tells.
    }
}

}  // namespace memoir::app
