#include "work/engine.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/random_id.hpp"
#include "endpoint/endpoint.hpp"
#include "work/keeper.hpp"
#include "work/loop.hpp"
#include "work/scout.hpp"

namespace memoir::work {

namespace {

// After a cancel: how long loops get to come out of their stage and hand their rows back.
constexpr Milliseconds release_wait{5'000};

// The lanes without the kinds that the registry does not hold.
std::vector<LaneOptions> served(const std::vector<LaneOptions>& lanes, const Registry& registry) {
    std::vector<LaneOptions> result;
    for (auto lane : lanes) {
        std::erase_if(lane.kinds, [&](const auto& kind) { return !registry.contains(kind); });
        if (!lane.kinds.empty()) result.push_back(std::move(lane));
    }
    return result;
}

int total_loops(const std::vector<LaneOptions>& lanes) {
    int total = 0;
    for (const auto& lane : lanes) total += lane.loops;
    return std::max(total, 1);
}

}  // namespace

struct Engine::State {
    State(EngineSettings s, Registry r, pg::Pool& pool, telemetry::Log& log, Observer observer)
        : settings(std::move(s)),
          registry(std::move(r)),
          lane_options(served(settings.options.lanes, registry)),
          identity(settings.host, getpid(), random_nonce()),
          lanes(lane_options, [this](const std::string& kind) { return takes_work(kind); }),
          context{settings.options,
                  settings.schema,
                  settings.has_graph,
                  settings.indexed,
                  pool,
                  log,
                  registry,
                  identity,
                  held,
                  lanes,
                  tally,
                  {},
                  {},
                  abandon.get_token()},
          settler(context),
          keeper(context, settings.database,
                 [this] {
                     return settings.heartbeat_extra ? settings.heartbeat_extra(identity.nonce())
                                                     : pg::Segment{};
                 }),
          scout(context, settings.pauses, [this] {
              if (settings.tick) settings.tick();
          }) {
        tally.observer = std::move(observer);
        context.parked = [this](Milliseconds delay) { keeper.due_in(delay); };
        context.let_go = [this] { keeper.nudge(); };
    }

    bool takes_work(const std::string& kind) const {
        const auto& needs = registry.at(kind).needs;
        return std::all_of(needs.begin(), needs.end(),
                           [](const auto* endpoint) { return endpoint->allows_claims(); });
    }

    // From now on no call that costs money and time begins.
    void close_models() const {
        for (const auto& [kind, entry] : registry)
            if (entry.model) entry.model->close();
    }
    // Calls that by their endpoint's own history outlast the drain: what they would bring is lost either way.
    void cancel_hopeless() {
        const auto now = Steady::now();
        held.cancel_if(Cause::drain, [&](const std::string& kind, const Run& run) {
            const auto entry = registry.find(kind);
            if (entry == registry.end() || !entry->second.model) return false;
            const auto typical = entry->second.model->typical_duration();
            return typical && run.step_began(now) + *typical > now + settings.options.drain_timeout;
        });
    }

    bool wait_for_loops(Milliseconds limit, const std::stop_token& hurry) {
        std::unique_lock lock(mutex);
        ended.wait_for(lock, hurry, limit, [&] { return running == 0; });
        return running == 0;
    }

    EngineSettings settings;
    const Registry registry;
    const std::vector<LaneOptions> lane_options;
    Identity identity;
    Held held;
    Tally tally;
    std::stop_source drain, abandon;
    Lanes lanes;
    Context context;
    Settler settler;
    Keeper keeper;
    Scout scout;
    std::mutex mutex;
    std::condition_variable_any ended;
    int running = 0;
    std::vector<std::unique_ptr<Loop>> loops;
    std::unique_ptr<boost::asio::thread_pool> threads;
};

Engine::Engine(EngineSettings settings, Registry registry, pg::Pool& pool, telemetry::Log& log,
               Observer observer)
    : state_(std::make_unique<State>(std::move(settings), std::move(registry), pool, log,
                                     std::move(observer))) {}

Engine::~Engine() {
    if (state_->threads) {
        state_->drain.request_stop();
        state_->held.cancel_all(Cause::drain);
        state_->abandon.request_stop();
        state_->threads->join();
    }
}

void Engine::start() {
    auto& s = *state_;
    s.keeper.start();
    s.scout.start();
    s.threads = std::make_unique<boost::asio::thread_pool>(total_loops(s.lane_options));
    for (const auto& lane : s.lane_options)
        for (int number = 0; number < lane.loops; ++number)
            s.loops.push_back(
                std::make_unique<Loop>(s.context, s.settler, lane.name, number, s.drain.get_token()));
    s.running = static_cast<int>(s.loops.size());
    for (auto& loop : s.loops)
        boost::asio::post(*s.threads, [&s, &loop] {
            loop->run();
            std::lock_guard lock(s.mutex);
            --s.running;
            s.ended.notify_all();
        });
}

void Engine::wake(const std::string& kind) {
    if (!kind.empty()) {
        state_->lanes.wake(kind);
        return;
    }
    for (const auto& each : state_->lanes.kinds()) state_->lanes.wake(each);
}

void Engine::poke() {
    state_->lanes.poke();
}

Engine::Drained Engine::drain(const std::stop_token& hurry) {
    auto& s = *state_;
    s.drain.request_stop();
    s.scout.stop();
    s.close_models();
    s.cancel_hopeless();
    const auto finished = s.wait_for_loops(s.settings.options.drain_timeout, hurry);
    auto drained = Drained::finished;
    if (!finished) {
        drained = Drained::released;
        s.held.cancel_all(Cause::drain);
        bool out = s.wait_for_loops(release_wait, {});
        s.abandon.request_stop();
        if (!out) out = s.wait_for_loops(release_wait, {});
        if (!out) drained = Drained::stuck;
    }
    if (drained != Drained::stuck && s.threads) {
        s.threads->join();
        s.threads.reset();
    }
    s.keeper.stop(release_wait);
    return drained;
}

queue::Remaining Engine::remaining() {
    auto& s = *state_;
    const auto served_kinds = s.lanes.kinds();
    auto lease = s.context.pool.acquire({}, s.settings.options.poll_interval);
    const auto statement = queue::remaining(s.settings.schema, served_kinds, s.identity.process());
    return queue::remaining_result(lease->exec(statement));
}

std::vector<std::string> Engine::kinds() const {
    return state_->lanes.kinds();
}

std::vector<Activity> Engine::activities() const {
    std::map<std::string, Activity> by_worker;
    for (const auto& entry : state_->held.entries()) {
        auto& activity = by_worker[entry.run->worker()];
        activity.worker = entry.run->worker();
        activity.kind = entry.kind;
        ++activity.jobs;
        activity.since = std::chrono::duration_cast<Milliseconds>(Steady::now() - entry.run->started());
    }
    std::vector<Activity> list;
    for (auto& [worker, activity] : by_worker) list.push_back(std::move(activity));
    return list;
}

std::map<std::string, int> Engine::loops() const {
    std::map<std::string, int> loops;
    for (const auto& lane : state_->lane_options) loops[lane.name] = lane.loops;
    return loops;
}

const Tally& Engine::tally() const {
    return state_->tally;
}
const std::string& Engine::nonce() const {
    return state_->identity.nonce();
}
std::string Engine::process() const {
    return state_->identity.process();
}
TimePoint Engine::last_heartbeat() const {
    return state_->keeper.last_answer();
}
int Engine::stuck() const {
    return state_->scout.stuck();
}
bool Engine::paused(const std::string& kind) const {
    return state_->lanes.paused(kind);
}
std::size_t Engine::in_hand() const {
    return state_->held.size();
}

}  // namespace memoir::work
