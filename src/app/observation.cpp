#include "app/observation.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/host_name.hpp>
#include <map>

#include "base/pause.hpp"
#include "endpoint/endpoint.hpp"
#include "http/listen_address.hpp"
#include "page/assets.hpp"
#include "page/status_page.hpp"

namespace memoir::app {

namespace {

// However many processes ask, each asks this rarely (a queue's depth is one statement, but not a free one).
constexpr Milliseconds depth_interval{5'000};
// While nobody looks: often enough that who comes back does not find an hour-old figure.
constexpr Milliseconds idle_interval{60'000};
constexpr Milliseconds asked_lately{60'000}, count_check{1'000};

// Of the database's time, counting takes a twentieth at most, whatever it has to read.
constexpr int dear = 20;

std::string lane_of(const std::string& worker) {
    return worker.substr(0, worker.rfind('.'));
}

}  // namespace

Milliseconds until_next_count(bool asked, Milliseconds took) {
    return std::max(asked ? depth_interval : idle_interval, took * dear);
}

Observation::Observation(telemetry::SinkLog& log) : log_(log) {
    metrics_.before_exposition([this] { refresh(); });
}

work::Observer Observation::observer() {
    work::Observer observer;
    observer.claimed = [this](const std::string& kind, int rows) { metrics_.claims.add({kind}, rows); };
    observer.ended = [this](const work::Observer::End& end) {
        metrics_.settles.add({end.kind, std::string(to_string(end.outcome)), std::string(end.failure)});
        metrics_.wait.observe({end.kind}, end.waited);
        metrics_.run.observe({end.kind}, end.run);
        if (end.outcome == work::Outcome::retried || end.outcome == work::Outcome::failed)
            metrics_.attempts.add({end.kind});
        if (end.outcome == work::Outcome::retried) metrics_.retries.add({end.kind});
        if (end.outcome == work::Outcome::released) metrics_.released.add({end.kind});
        if (end.outcome == work::Outcome::lost) metrics_.leases_lost.add({end.kind});
    };
    observer.recovered = [this](const std::string& kind, const std::string& from) {
        const bool died = from == "dead" || from == "buried";
        metrics_.recovered.add({kind, died ? "memoird" : from});
        if (died) metrics_.attempts.add({kind});
        if (from == "buried") metrics_.settles.add({kind, "failed", "holder_died"});
    };
    observer.handed_back = [this](const std::string& kind) { metrics_.released.add({kind}); };
    observer.settled = [this](const std::string& kind, std::chrono::duration<double> took) {
        metrics_.settle.observe({kind}, took);
    };
    return observer;
}

std::shared_ptr<const endpoint::CallObserver> Observation::calls() {
    endpoint::CallObserver observer;
    observer.ended = [this](const std::string& name, std::chrono::duration<double> took,
                            std::optional<FailureType> failure) {
        metrics_.calls.observe({name}, took);
        if (failure) metrics_.call_failures.add({name, to_string(*failure)});
    };
    observer.tokens = [this](const std::string& name, std::int64_t input, std::int64_t output) {
        metrics_.tokens.observe({name, "input"}, static_cast<double>(input));
        metrics_.tokens.observe({name, "output"}, static_cast<double>(output));
    };
    return std::make_shared<const endpoint::CallObserver>(std::move(observer));
}

void Observation::begin_series() {
    static constexpr std::pair<std::string_view, std::string_view> ends[]{
        {"completed", "none"}, {"retried", "job"}, {"parked", "outage"},    {"parked", "throttled"},
        {"parked", "blocked"}, {"failed", "job"},  {"failed", "permanent"}, {"failed", "holder_died"},
        {"released", "none"},  {"lost", "none"}};
    const auto plan = engine_->plan();
    for (const auto& kind : engine_->kinds()) {
        for (auto* counter : {&metrics_.claims, &metrics_.attempts, &metrics_.retries, &metrics_.leases_lost,
                              &metrics_.released})
            counter->with({kind});
        for (const auto& [outcome, failure] : ends) metrics_.settles.with({kind, outcome, failure});
        for (const char* holder : {"memoird", "foreign", "parked"}) metrics_.recovered.with({kind, holder});
        for (auto* histogram : {&metrics_.wait, &metrics_.run, &metrics_.settle}) histogram->with({kind});
        if (const auto entry = plan->registry.find(kind);
            entry != plan->registry.end() && entry->second.model)
            for (const char* direction : {"input", "output"})
                metrics_.tokens.with({entry->second.model->snapshot().name, direction});
    }
}

void Observation::serve(boost::asio::io_context& control, const telemetry::MetricsOptions& options,
                        const std::string& host, const std::string& schema) {
    if (options.listen.empty()) return;
    host_ = host;
    schema_ = schema;
    http::Routes routes;
    routes["/"] = [this](const std::string&) {
        asked_ = Steady::now();
        return status_page();
    };
    routes["/metrics"] = [this](const std::string&) {
        asked_ = Steady::now();
        return http::Reply{200, telemetry::Metrics::content_type, metrics_.exposition()};
    };
    // The control loop answers this: that it does is the health.
    routes["/healthz"] = [](const std::string&) { return http::Reply{.body = "ok\n"}; };
    routes["/readyz"] = [this](const std::string&) { return ready(); };
    auto names = options.host_names;
    names.push_back(host);
    names.push_back(boost::asio::ip::host_name());
    server_ = std::make_unique<http::Server>(control, http::parse_listen(options.listen), std::move(routes),
                                             http::Server::Limits{}, std::move(names));
}

void Observation::watch(work::Engine& engine, Generations& generations, pg::Pool& pool,
                        const std::string& schema, bool indexed) {
    {
        std::lock_guard lock(mutex_);
        engine_ = &engine;
        generations_ = &generations;
        pool_ = &pool;
    }
    if (!server_) return;
    counter_ = std::jthread([this, &pool, schema, indexed](const std::stop_token& stop) {
        do count(pool, schema, indexed, stop);
        while (pause(count_check, stop));
    });
}

void Observation::draining() {
    draining_ = true;
    counter_ = {};  // stops the count that is under way
}

void Observation::stop() {
    counter_ = {};
    {
        std::lock_guard lock(mutex_);
        engine_ = nullptr;
        generations_ = nullptr;
        pool_ = nullptr;
    }
    if (server_) server_->stop();
}

http::Reply Observation::ready() const {
    std::lock_guard lock(mutex_);
    if (draining_) return {.status = 503, .body = "draining\n"};
    if (!engine_) return {.status = 503, .body = "starting\n"};
    if (!pool_->up()) return {.status = 503, .body = "the database is unavailable\n"};
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
    // A reload may have taken lanes, kinds and endpoints away.
    for (auto* family : {&metrics_.loops, &metrics_.in_flight, &metrics_.paused, &metrics_.breaker,
                         &metrics_.unserved, &metrics_.calls_in_flight, &metrics_.calls_waiting})
        family->clear();
    std::map<std::string, int> jobs;
    for (const auto& [lane, loops] : engine_->loops()) {
        jobs[lane] = 0;
        metrics_.loops.set({lane}, loops);
    }
    for (const auto& activity : engine_->activities()) jobs[lane_of(activity.worker)] += activity.jobs;
    for (const auto& [lane, count] : jobs) metrics_.in_flight.set({lane}, count);
    begin_series();
    const auto served = engine_->kinds();
    for (const auto& kind : served) metrics_.paused.set({kind}, engine_->paused(kind) ? 1 : 0);
    for (const auto kind : queue::all_kinds)
        metrics_.unserved.set({kind}, std::ranges::find(served, kind) == served.end() ? 1 : 0);
    refresh_endpoints();
}

void Observation::refresh_endpoints() {
    const auto backends = generations_->current();
    for (const auto* endpoint : backends->endpoints()) {
        const auto now = endpoint->snapshot();
        metrics_.calls.with({now.name});
        for (const auto type : {FailureType::outage, FailureType::throttled, FailureType::blocked,
                                FailureType::job, FailureType::permanent})
            metrics_.call_failures.with({now.name, to_string(type)});
        metrics_.calls_in_flight.set({now.name}, now.in_flight);
        metrics_.calls_waiting.set({now.name}, now.waiting);
        for (const auto state : {endpoint::State::closed, endpoint::State::open, endpoint::State::probing,
                                 endpoint::State::ramping})
            metrics_.breaker.set({now.name, std::string(to_string(state))}, now.state == state ? 1 : 0);
    }
}

http::Reply Observation::status_page() const {
    return {200, page::content_type, page::render(snapshot()), page::headers()};
}

page::Snapshot Observation::snapshot() const {
    page::Snapshot shown;
    shown.version = MEMOIRD_VERSION;
    shown.host = host_;
    shown.schema = schema_;
    shown.pid = getpid();
    shown.started = started_;
    shown.made = std::chrono::system_clock::now();
    shown.events = log_.recent();
    std::lock_guard lock(mutex_);
    if (draining_)
        shown.phase = page::Snapshot::Phase::draining;
    else if (engine_)
        shown.phase = page::Snapshot::Phase::ready;
    if (!depths_.empty())
        shown.counted_before = std::chrono::duration_cast<Milliseconds>(Steady::now() - depths_at_);
    if (!engine_) return shown;
    shown.database_up = pool_->up();
    shown.pool_in_use = pool_->in_use();
    shown.pool_size = pool_->size();
    const auto backends = generations_->current();
    for (const auto* endpoint : backends->endpoints()) shown.endpoints.push_back(endpoint->snapshot());
    show_work(shown);
    show_kinds(shown);
    return shown;
}

void Observation::show_work(page::Snapshot& shown) const {
    const auto& tally = engine_->tally();
    shown.totals = {tally.claimed, tally.succeeded, tally.retried, tally.failed,
                    tally.parked,  tally.released,  tally.lost,    tally.recovered};
    for (auto& job : engine_->jobs_in_hand())
        shown.work.push_back(
            {job.id, std::move(job.kind), std::move(job.source_pid), std::move(job.worker), job.since});
    for (auto& lane : engine_->plan()->served()) {
        page::Lane now{lane.name, std::move(lane.kinds), lane.loops, lane.batch};
        std::set<std::string> busy;
        for (const auto& job : shown.work)
            if (lane_of(job.worker) == now.name) {
                ++now.jobs;
                busy.insert(job.worker);
            }
        now.busy = static_cast<int>(busy.size());
        shown.lanes.push_back(std::move(now));
    }
}

void Observation::show_kinds(page::Snapshot& shown) const {
    shown.paused = engine_->pauses();
    const auto plan = engine_->plan();
    const auto backends = generations_->current();
    for (const auto name : queue::all_kinds) {
        page::Kind kind{std::string(name)};
        for (const auto& depth : depths_)
            if (depth.kind == name) kind.depth = depth;
        for (const auto& lane : shown.lanes)
            if (std::ranges::find(lane.kinds, name) != lane.kinds.end()) kind.lane = lane.name;
        for (const auto& unserved : backends->unserved())
            if (unserved.kind == name) kind.left = unserved.reason;
        if (const auto entry = plan->registry.find(kind.name); entry != plan->registry.end())
            for (const auto* needed : entry->second.needs)
                if (!needed->allows_claims()) kind.waits_for.push_back(needed->snapshot().name);
        shown.kinds.push_back(std::move(kind));
    }
}

void Observation::count(pg::Pool& pool, const std::string& schema, bool indexed,
                        const std::stop_token& stop) {
    const auto now = Steady::now();
    const bool asked = now - asked_.load() < asked_lately;
    if (counted_ != TimePoint{} && now - counted_ < until_next_count(asked, counting_)) return;
    counted_ = now;
    const auto statement = queue::depth_statement(schema, indexed);
    auto sent = now;
    try {
        auto connection = pool.acquire(stop, Milliseconds(1'000));
        sent = Steady::now();
        const auto result = connection->exec(statement, stop);
        counting_ = std::chrono::duration_cast<Milliseconds>(Steady::now() - sent);
        show(queue::read_depths(result));
    } catch (const pg::Error&) {
        // The gauges keep what was last seen; database_up tells. One that timed out was dear, too.
        counting_ = std::chrono::duration_cast<Milliseconds>(Steady::now() - sent);
    }
}

void Observation::show(const std::vector<queue::Depth>& depths) {
    for (const auto& depth : depths) {
        for (const auto state : {queue::JobState::pending, queue::JobState::parked, queue::JobState::claimed,
                                 queue::JobState::failed}) {
            const std::string name(queue::to_string(state));
            metrics_.queue_jobs.set({depth.kind, name}, static_cast<double>(depth.count(state)));
            metrics_.queue_jobs_capped.set({depth.kind, name}, depth.more(state) ? 1 : 0);
        }
        metrics_.queue_oldest.set({depth.kind}, depth.oldest.value_or(0));
    }
    metrics_.queue_counted.set(
        {}, std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count());
    std::lock_guard lock(mutex_);
    depths_ = depths;
    depths_at_ = Steady::now();
}

}  // namespace memoir::app
