#include "work/engine.hpp"

#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <thread>

#include "base/random_id.hpp"
#include "endpoint/endpoint.hpp"
#include "work/duties.hpp"
#include "work/fan_in_repair.hpp"
#include "work/lease_keeper.hpp"
#include "work/loop.hpp"
#include "work/queue_poller.hpp"
#include "work/recovery.hpp"

namespace memoir::work {

namespace {

// After a cancel: how long loops get to come out of their stage and hand their rows back.
constexpr Milliseconds release_wait{5'000};

}  // namespace

struct Engine::State {
    State(EngineSettings s, PlanPtr plan, pg::Pool& pool, telemetry::Log& log, Observer observer)
        : settings(std::move(s)),
          identity(settings.host, getpid(), random_nonce()),
          lanes(plan),
          plans{plan},
          context{plan->options.lease,
                  settings.schema,
                  settings.additions.pending_index,
                  pool,
                  log,
                  identity,
                  claims,
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
          duties(context,
                 settings.duties_database.conninfo.empty() ? settings.database : settings.duties_database,
                 settings.additions.duties),
          poller(context, settings.additions.pauses) {
        tally.observer = std::move(observer);
        context.parked = [this](std::int64_t job, Milliseconds delay) { duties.due_in(job, delay); };
        context.let_go = [this] { keeper.nudge(); };
        add_duties();
    }

    // The claims of dead holders, lost fan-ins, and what the caller brings along.
    void add_duties() {
        const auto beat = LeaseKeeper::interval(context.lease);
        const Recovery::View view{settings.additions.hosts, settings.additions.draining_since,
                                  [this] { return keeper.healthy(); }};
        const auto recovery = [&](const std::string& kind) {
            return [this, recovery = std::make_shared<Recovery>(context, view, kind)](
                       pg::Connection& connection, int limit) { return recovery->slice(connection, limit); };
        };
        duties.add({"recover", beat, recovery("")});
        for (const auto kind : queue::all_kinds)
            duties.add(
                {"bury " + std::string(kind), beat, recovery(std::string(kind)),
                 [this, kind = std::string(kind)] { return context.plan()->registry.contains(kind); }});
        duties.add({"fan-in", beat,
                    [this, repair = std::make_shared<FanInRepair>(context)](
                        pg::Connection& connection, int limit) { return repair->slice(connection, limit); },
                    [this] { return context.plan()->has_graph; }});
        for (auto& duty : settings.duties) duties.add(std::move(duty));
    }

    // A loop and its thread.
    struct Worker {
        std::string lane;
        int number;
        std::unique_ptr<Loop> loop;
        bool ended = false;  // with the lock
        std::jthread thread{};
    };

    // With the lock: every lane gets the loops that it lacks. Throws std::system_error where the machine has
    // no thread for one; the rest is tried again with the next plan.
    void hire() {
        std::erase_if(workers, [](const auto& worker) { return worker->ended; });
        auto lacking = lanes.hire();
        try {
            for (auto& [lane, count] : lacking)
                for (; count > 0; --count) add_worker(lane);
        } catch (...) {
            for (const auto& [lane, count] : lacking) lanes.dismiss(lane, count);
            throw;
        }
    }
    void add_worker(const std::string& lane) {
        // One that is on its way out keeps its number until it is gone: an event's worker is one loop.
        int number = 0;
        const auto taken = [&](const auto& worker) {
            return worker->lane == lane && worker->number == number;
        };
        while (std::ranges::any_of(workers, taken)) ++number;
        auto loop = std::make_unique<Loop>(context, settler, lane, number, drain.get_token());
        auto& worker = *workers.emplace_back(
            std::make_unique<Worker>(Worker{.lane = lane, .number = number, .loop = std::move(loop)}));
        try {
            worker.thread = std::jthread([this, &worker] {
                const pg::Pool::Party party(worker.lane);
                worker.loop->run();
                std::lock_guard lock(mutex);
                worker.ended = true;
                --running;
                ended.notify_all();
            });
        } catch (...) {
            workers.pop_back();
            throw;
        }
        ++running;
    }

    // No loop begins after this, and none claims.
    void stop_claiming() {
        {
            std::lock_guard lock(mutex);
            draining = true;
        }
        drain.request_stop();
    }
    // From now on no call that costs money and time begins, by whatever plan.
    void close_models() {
        std::lock_guard lock(mutex);
        for (const auto& each : plans)
            if (const auto plan = each.lock())
                for (const auto& [kind, entry] : plan->registry)
                    if (entry.model) entry.model->close();
    }
    // Calls that by their endpoint's own history outlast the drain: what they would bring is lost either way.
    void cancel_hopeless() {
        const auto now = Steady::now();
        const auto end = now + context.plan()->options.drain_timeout;
        claims.cancel_if(Cause::drain, [&](const Run& run) {
            const auto typical = run.model() ? run.model()->typical_duration() : std::nullopt;
            return typical && run.step_began(now) + *typical > end;
        });
    }

    bool wait_for_loops(Milliseconds limit, const std::stop_token& hurry) {
        std::unique_lock lock(mutex);
        ended.wait_for(lock, hurry, limit, [&] { return running == 0; });
        return running == 0;
    }

    EngineSettings settings;
    Identity identity;
    ClaimTable claims;
    Tally tally;
    std::stop_source drain, abandon;
    Lanes lanes;
    std::vector<std::weak_ptr<const Plan>> plans;  // that anything may still work by; with the lock
    Context context;
    Settler settler;
    LeaseKeeper keeper;
    Duties duties;
    QueuePoller poller;
    std::mutex mutex;
    std::condition_variable_any ended;
    bool draining = false;
    int running = 0;
    std::vector<std::unique_ptr<Worker>> workers;
};

Engine::Engine(EngineSettings settings, Plan plan, pg::Pool& pool, telemetry::Log& log, Observer observer)
    : state_(std::make_unique<State>(std::move(settings), std::make_shared<const Plan>(std::move(plan)), pool,
                                     log, std::move(observer))) {}

Engine::~Engine() {
    auto& s = *state_;
    s.stop_claiming();
    s.claims.cancel_all(Cause::drain);
    s.abandon.request_stop();
    s.workers.clear();
}

void Engine::start() {
    auto& s = *state_;
    s.keeper.start();
    s.duties.start();
    s.poller.start();
    std::lock_guard lock(s.mutex);
    s.hire();
}

bool Engine::replace(Plan plan) {
    auto& s = *state_;
    auto next = std::make_shared<const Plan>(std::move(plan));
    std::lock_guard lock(s.mutex);
    if (s.draining) return false;
    std::erase_if(s.plans, [](const auto& each) { return each.expired(); });
    s.plans.push_back(next);
    s.lanes.replace(std::move(next));
    try {
        s.hire();
    } catch (const std::system_error&) {
        s.context.log.error("memoir.worker.aborted", "some loops could not be started: out of threads",
                            {{"hint", std::string("lower lanes.*.loops, or raise TasksMax= in the unit")}});
    }
    return true;
}

PlanPtr Engine::plan() const {
    return state_->lanes.plan();
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
    state_->duties.poke();
}

Engine::Drained Engine::drain(const std::stop_token& hurry) {
    auto& s = *state_;
    s.stop_claiming();
    s.keeper.nudge();  // who may be killed meanwhile says that it drains
    s.duties.stop();
    s.poller.stop();
    s.close_models();
    s.cancel_hopeless();
    const auto finished = s.wait_for_loops(plan()->options.drain_timeout, hurry);
    auto drained = Drained::finished;
    if (!finished) {
        drained = Drained::released;
        s.claims.cancel_all(Cause::drain);
        bool out = s.wait_for_loops(release_wait, {});
        s.abandon.request_stop();
        if (!out) out = s.wait_for_loops(release_wait, {});
        if (!out) drained = Drained::stuck;
    }
    if (drained != Drained::stuck) s.workers.clear();
    s.keeper.stop(release_wait);
    return drained;
}

queue::Remaining Engine::remaining() {
    auto& s = *state_;
    const auto served_kinds = s.lanes.kinds();
    auto connection = s.context.pool.acquire({}, plan()->options.poll_interval);
    const auto statement = queue::remaining(s.settings.schema, served_kinds, s.identity.process());
    return queue::remaining_result(connection->exec(statement));
}

std::vector<std::string> Engine::kinds() const {
    return state_->lanes.kinds();
}

std::vector<Activity> Engine::activities() const {
    std::map<std::string, Activity> by_worker;
    for (const auto& entry : state_->claims.entries()) {
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

std::vector<JobInHand> Engine::jobs_in_hand() const {
    const auto now = Steady::now();
    std::vector<JobInHand> list;
    for (const auto& entry : state_->claims.entries())
        list.push_back({entry.fence.id, entry.kind, entry.source_pid, entry.run->worker(),
                        std::chrono::duration_cast<Milliseconds>(now - entry.run->started())});
    std::ranges::sort(list, [](const auto& a, const auto& b) {
        return a.since != b.since ? a.since > b.since : a.id < b.id;
    });
    return list;
}

std::map<std::string, int> Engine::loops() const {
    std::map<std::string, int> loops;
    for (const auto& lane : plan()->served()) loops[lane.name] = lane.loops;
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
    return state_->poller.stuck();
}
bool Engine::paused(const std::string& kind) const {
    return state_->lanes.paused(kind);
}
std::set<std::string> Engine::pauses() const {
    return state_->lanes.pauses();
}
std::size_t Engine::in_hand() const {
    return state_->claims.size();
}

}  // namespace memoir::work
