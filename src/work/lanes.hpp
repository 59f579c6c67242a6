#pragma once
// The agenda with a lock around it and a place to wait for each lane. Thread safety: all of Lanes.

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "base/clock.hpp"
#include "work/agenda.hpp"

namespace memoir::work {

class Lanes {
  public:
    // `gate` is called under the lock: it must be quick and must not call back.
    Lanes(const std::vector<LaneOptions>& lanes, Agenda::Gate gate);

    // Waits for something to claim; nullopt when `stop` was requested.
    std::optional<Pick> next(const std::string& lane, const std::stop_token& stop);
    // Without waiting: for a claim that travels along with a settle.
    std::optional<Pick> next_now(const std::string& lane);
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

  private:
    void notify_one(const std::string& kind, std::unique_lock<std::mutex> lock);
    std::optional<Pick> pick(const std::string& lane);  // with the lock
    bool open(const std::string& kind) const;

    mutable std::mutex mutex_;
    Agenda agenda_;
    const Agenda::Gate gate_;
    std::map<std::string, std::condition_variable_any> waiting_;
    std::map<std::string, TimePoint> held_back_;  // kinds
};

}  // namespace memoir::work
