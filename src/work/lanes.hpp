#pragma once
// The scheduler with a lock around it, the plan that it follows, and a place to wait for each lane. Counts
// the loops of each lane: where a new plan has fewer, those that come for work first are sent home, and one
// that has more gets them from Engine. Thread safety: all of Lanes.

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

#include "base/clock.hpp"
#include "work/claim_scheduler.hpp"
#include "work/plan.hpp"

namespace memoir::work {

// A claim to make, and the plan that its jobs are worked on by, whatever plan comes meanwhile.
struct Task {
    Pick pick;
    PlanPtr plan;
};

class Lanes {
  public:
    explicit Lanes(PlanPtr plan);
    void replace(PlanPtr plan);
    PlanPtr plan() const;
    // How many loops each lane lacks; they count as there from now on.
    std::map<std::string, int> hire();
    // So many of these could not come.
    void dismiss(const std::string& lane, int loops);

    // Waits for something to claim. nullopt: this loop is to end, because `stop` was requested or its lane
    // has more loops than the plan says; it does not count as there any more.
    std::optional<Task> next(const std::string& lane, const std::stop_token& stop);
    // Without waiting: for a claim that travels along with a settle.
    std::optional<Task> next_now(const std::string& lane);
    void claimed(const Pick& pick, int rows, const queue::Position& last);
    void unanswered(const Pick& pick);
    // Its backends have no room: nobody is sent to claim this kind before `until`, or the next poke.
    void hold_back(const Pick& pick, TimePoint until);

    void wake(const std::string& kind);
    void found(const std::string& kind, const queue::Position& at);
    void looked(const queue::Look& look);
    void set_slow(const std::string& kind, bool slow);
    void suspect_settled();
    // A gate may have opened, or a backend have room: loops look again.
    void poke();

    std::vector<std::string> kinds() const;
    bool serves(const std::string& kind) const;
    bool paused(const std::string& kind) const;
    std::set<std::string> pauses() const;

  private:
    struct Lane {
        int wanted = 0, there = 0;
        std::condition_variable_any waiting;
        bool crowded() const { return there > wanted; }
    };
    void follow(PlanPtr& plan);  // with the lock
    void notify_one(const std::string& kind, std::unique_lock<std::mutex> lock);
    std::optional<Pick> pick(const std::string& lane);  // with the lock
    bool open(const std::string& kind) const;

    mutable std::mutex mutex_;
    PlanPtr plan_;
    ClaimScheduler scheduler_;
    // Those of earlier plans, too: loops may still be on their way out.
    std::map<std::string, Lane> lanes_;
    std::map<std::string, TimePoint> held_back_;  // kinds
};

}  // namespace memoir::work
