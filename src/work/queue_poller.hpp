#pragma once
// The poller: one thread that once a poll interval looks at the queue from its start, for all lanes, in one
// statement. That is how idle loops cost no queries, how rows before a cursor are found, and how pauses are
// read. It also cancels runs past their deadline. Thread safety: start, stop and stuck from any thread.

#include <atomic>
#include <functional>
#include <map>
#include <set>
#include <thread>

#include "queue/probe.hpp"
#include "work/context.hpp"

namespace memoir::work {

// When a kind is looked at again. Behind many dead rows that cannot be vacuumed a look from the start is
// dear: of a kind whose last one took over 50 ms the next are made less often, every 30 s at the latest.
// Pure.
class LookSchedule {
  public:
    explicit LookSchedule(Milliseconds poll) : poll_(poll) {}
    void poll_every(Milliseconds poll) { poll_ = poll; }
    bool due(const std::string& kind, TimePoint now) const;
    void took(const std::string& kind, TimePoint now, Milliseconds duration);
    bool slow(const std::string& kind) const;

    static constexpr Milliseconds dear{50}, longest{30'000};

  private:
    struct State {
        TimePoint next{};
        Milliseconds interval{0};
    };
    Milliseconds poll_;
    std::map<std::string, State> kinds_;
};

class QueuePoller {
  public:
    // `pauses`: the table memoird_pauses is there.
    QueuePoller(Context& context, bool pauses);
    void start();
    void stop();
    // Runs more than 30 s past the deadline of their current operation: the watchdog is not fed then.
    int stuck() const { return stuck_; }

  private:
    void run(const std::stop_token& stop);
    void look(const std::stop_token& stop);
    void look_at(std::span<const std::string> kinds, const std::stop_token& stop);
    void tell_pauses(const std::set<std::string>& paused);

    Context& context_;
    bool pauses_;  // until the table is found gone
    LookSchedule schedule_;
    bool together_ = true;  // one statement for all kinds, while none of them is dear
    std::set<std::string> paused_;
    std::atomic<int> stuck_{0};
    std::jthread thread_;
};

}  // namespace memoir::work
