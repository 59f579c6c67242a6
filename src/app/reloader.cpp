#include "app/reloader.hpp"

#include <algorithm>

#include "app/advice.hpp"
#include "base/join.hpp"
#include "endpoint/endpoint.hpp"

namespace memoir::app {

namespace {

// How often it is looked whether the last job of an earlier configuration is done.
constexpr Milliseconds prune_interval{1'000};

const char* const restart_hint = "restart memoird to apply these";

}  // namespace

Reloader::Reloader(std::function<config::Loaded()> load, std::function<std::string()> status,
                   telemetry::SinkLog& log, service::Notifier& notifier)
    : load_(std::move(load)),
      status_(std::move(status)),
      log_(log),
      notifier_(notifier),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void Reloader::request() {
    std::lock_guard lock(mutex_);
    requested_ = true;
    wake_.notify_one();
}

void Reloader::ready(Ground& ground, Generations& generations, work::Engine& engine) {
    std::lock_guard lock(mutex_);
    ground_ = &ground;
    generations_ = &generations;
    engine_ = &engine;
    requested_ |= early_;
    wake_.notify_one();
}

void Reloader::finish() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
}

void Reloader::run(const std::stop_token& stop) {
    bool earlier = false;  // generations that some job still works by
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
        const auto wanted = [this] { return requested_; };
        if (earlier)
            wake_.wait_for(lock, stop, prune_interval, wanted);
        else
            wake_.wait(lock, stop, wanted);
        if (stop.stop_requested()) return;
        const bool due = std::exchange(requested_, false);
        const bool ready = engine_ != nullptr;
        early_ |= due && !ready;
        lock.unlock();
        if (due) answer(ready, stop);
        if (ready) earlier = generations_->prune();
        lock.lock();
    }
}

void Reloader::answer(bool ready, const std::stop_token& stop) {
    if (ready) notifier_.reloading();
    // A signal after a repair: what is blocked is asked at once, also where the file is as it was.
    if (ready) generations_->current()->ask_again();
    try {
        if (ready)
            reload(stop);
        else
            early();
    } catch (const std::exception& error) {
        // Memory for a second model, above all; what runs is not touched by it.
        reject({{"", "an unexpected error: " + std::string(typeid(error).name()), "restart memoird"}});
    }
    // After a rejection, too; but a drain that has begun meanwhile has the last word.
    if (ready && !stop.stop_requested()) notifier_.reloaded(status_());
}

// There is nothing yet that could be exchanged, and systemd must not think that the start is over.
void Reloader::early() {
    const auto loaded = load_();
    if (!loaded.problems.empty())
        reject(loaded.problems);
    else
        log_.set_level(loaded.config.log.level);
}

void Reloader::reload(const std::stop_token& stop) {
    const auto loaded = load_();
    if (!loaded.problems.empty()) return reject(loaded.problems);
    const auto running = generations_->current();
    const auto changes = config::changed_keys(running->config(), loaded.config);
    if (!changes.refused.empty())
        return reject(
            {{"", "a reload cannot change " + join(changes.refused),
              "restart memoird with an index that fits; until then the old values stay in effect"}});
    if (!changes.restart.empty()) {
        auto problems = config::broken_rules(changes.applied);
        for (auto& problem : problems)
            problem = {"", problem.text, "until memoird is restarted: " + problem.hint};
        if (!problems.empty()) return reject(problems);
    }
    auto next = build(changes, *running, stop);
    if (!next || stop.stop_requested()) return;
    for (auto* endpoint : next->fresh()) endpoint->on_change([engine = engine_] { engine->poke(); });
    if (!engine_->replace(Backends::plan(next))) return;
    log_.set_level(changes.applied.log.level);
    generations_->replace(next);
    next->watch();
    tell(changes, *running, *next);
}

std::shared_ptr<Backends> Reloader::build(const config::Changes& changes, const Backends& running,
                                          const std::stop_token& stop) {
    try {
        auto next = std::make_shared<Backends>(changes.applied, *ground_, &running);
        next->prepare(stop);
        return next;
    } catch (const StartError& error) {
        reject({{"", error.problem(), error.hint()}});
    } catch (const pg::Error& error) {
        reject({{"", "the database did not answer: " + std::string(error.what()), "reload again"}});
    }
    return nullptr;
}

void Reloader::reject(const std::vector<config::Problem>& problems) {
    for (const auto& problem : problems) {
        std::vector<telemetry::Field> fields;
        if (!problem.where.empty()) fields.push_back({"where", problem.where});
        fields.push_back({"hint", problem.hint});
        log_.error("memoir.config.rejected", "the new configuration was rejected: " + problem.text,
                   std::move(fields));
    }
}

void Reloader::tell(const config::Changes& changes, const Backends& before, const Backends& now) {
    std::vector<telemetry::Field> fields;
    if (!changes.live.empty()) fields.push_back({"applied", join(changes.live)});
    if (!changes.restart.empty()) {
        fields.push_back({"restart_needed", join(changes.restart)});
        fields.push_back({"hint", std::string(restart_hint)});
    }
    log_.info("memoir.config.reloaded", "configuration reloaded", std::move(fields));
    for (const auto& each : now.unserved())
        if (std::ranges::find(before.unserved(), each) == before.unserved().end()) tell_unserved(each, log_);
    if (before.config().worker.leave_graph_absent == now.config().worker.leave_graph_absent) return;
    try {
        auto connection = ground_->pool.acquire({}, Milliseconds(1'000));
        warn_of_staged_in_vain(*connection, now.config(), log_);
    } catch (const pg::Error&) {
        // Only advice.
    }
}

}  // namespace memoir::app
