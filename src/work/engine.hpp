#pragma once
// The queue engine of one process: lanes of loops, the keeper, the poller. Owns every thread that touches the
// queue. States: built → started → draining → stopped. Works by a Plan, which can be replaced meanwhile.
// Thread safety: all of Engine; start and drain once each.

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "pg/pool.hpp"
#include "queue/probe.hpp"
#include "schema/schema.hpp"
#include "telemetry/log.hpp"
#include "work/duties.hpp"
#include "work/plan.hpp"
#include "work/tally.hpp"

namespace memoir::work {

// What holds from start to end.
struct EngineSettings {
    std::string schema;
    std::string host;             // as it stands in claimed_by
    schema::Additions additions;  // what of ours is there
    pg::ConnectOptions database;  // of the keeper's own connection
    pg::ConnectOptions duties_database;
    std::vector<Duty> duties;  // beside the engine's own
    // Statements that follow each heartbeat, made by whoever knows the endpoints; gets the nonce.
    std::function<pg::Segment(const std::string& nonce)> heartbeat_extra;
};

// What runs here now.
struct Activity {
    std::string worker;  // "lane.loop"
    std::string kind;
    int jobs = 0;
    Milliseconds since{0};
};

// One job in hand.
struct JobInHand {
    std::int64_t id = 0;
    std::string kind, source_pid;
    std::string worker;     // "lane.loop"
    Milliseconds since{0};  // its claim
};

class Engine {
  public:
    // Kinds of the lanes that the registry does not hold are not served. `pool` and `log` outlive the engine.
    Engine(EngineSettings settings, Plan plan, pg::Pool& pool, telemetry::Log& log, Observer observer = {});
    ~Engine();

    void start();
    // From now on by this plan, but for its lease. Loops that a lane has too many of finish their batch and
    // end, new ones begin; nothing is handed back, and what runs ends by the plan that it began with. False:
    // it drains, and nothing was changed.
    bool replace(Plan plan);
    PlanPtr plan() const;
    // A notification: rows of this kind were inserted. Empty: notifications may have been missed.
    void wake(const std::string& kind);
    // The backend of some kinds takes work again.
    void poke();

    enum class Drained {
        finished,  // everything that ran was finished
        released,  // the time-out or `hurry` came first: the rest was handed back
        stuck,     // and some loop did not come back from its stage: end the process without waiting for it
    };
    // No new claims; waits for what runs, at most drain_timeout or until `hurry`. Then cancels, releases,
    // stops all threads, and hands back every row that still carries this process's claims.
    Drained drain(const std::stop_token& hurry);

    // What is left of the kinds served here; throws pg::Error.
    queue::Remaining remaining();
    std::vector<std::string> kinds() const;  // served here
    std::vector<Activity> activities() const;
    std::vector<JobInHand> jobs_in_hand() const;  // longest first
    std::map<std::string, int> loops() const;     // that each lane is to have
    const Tally& tally() const;
    const std::string& nonce() const;
    std::string process() const;
    TimePoint last_heartbeat() const;
    int stuck() const;
    bool paused(const std::string& kind) const;
    std::set<std::string> pauses() const;  // kinds; `*` is all
    std::size_t in_hand() const;           // rows held

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace memoir::work
