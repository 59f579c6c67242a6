#pragma once
// The keeper: one thread with a connection of its own, outside the pool, so that nothing that loops do can
// delay a heartbeat. It renews what this process holds, hands back rows of ours that nobody here holds,
// brings parked jobs back, and recovers the claims of holders that are gone.
//
// An outage of the database must not let the first one back declare the fleet dead: recovery needs half a
// lease of unbroken success, and two looks a heartbeat apart that saw the same claim. When no heartbeat was
// answered for 5/6 of a lease, our own jobs are cancelled: the lease may be somebody else's by then. Thread
// safety: start, stop, nudge, due_in and healthy from any thread.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <queue>
#include <thread>
#include <vector>

#include "pg/connection.hpp"
#include "queue/recover.hpp"
#include "work/context.hpp"

namespace memoir::work {

class LeaseKeeper {
  public:
    // `extra`: statements that travel with each heartbeat (the row in memoird_hosts); may be empty.
    LeaseKeeper(Context& context, pg::ConnectOptions database, std::function<pg::Segment()> extra);
    ~LeaseKeeper();
    void start();
    // Stops the thread after it handed back every row that still carries this process's claims, where the
    // database answers within `wait`. Returns how many those were.
    int stop(Milliseconds wait);

    // A row of ours is held by nobody here: do not wait for the next heartbeat.
    void nudge();
    // A job that this process parked is due after so long.
    void due_in(Milliseconds delay);
    // When the last heartbeat was answered.
    TimePoint last_answer() const { return last_answer_; }

    // min(lease / 3, 10 s): beside workers of the library, whose lease is 60 s, every row is renewed well
    // inside it.
    static Milliseconds interval(Milliseconds lease);
    // The longest wait before another connect: a sixth of the lease, 5 s at most. Whoever is back first
    // declares nobody dead before half a lease has passed, and by then everybody has tried again and been
    // answered.
    static Milliseconds longest_reconnect(Milliseconds lease);

  private:
    void run(const std::stop_token& stop);
    bool connect();
    void heartbeat();
    void hand_back(std::span<const queue::Fence> orphans);
    void unpark(const std::vector<std::string>& able);
    std::vector<std::string> able_kinds() const;
    void recover();
    void bury(const queue::Overdue& row, const Entry& entry);
    void repair_fan_in();
    void failed(const pg::Error& error, const char* what);
    TimePoint next_wake(TimePoint beat) const;

    Context& context_;
    const pg::ConnectOptions database_;
    const std::function<pg::Segment()> extra_;
    std::unique_ptr<pg::Connection> connection_;
    std::atomic<TimePoint> last_answer_{Steady::now()};
    TimePoint healthy_since_ = Steady::now();
    std::vector<queue::Overdue> first_look_;
    TimePoint next_connect_{};
    int failures_ = 0;

    mutable std::mutex mutex_;
    std::condition_variable_any wake_;
    bool nudged_ = false, ended_ = false;
    std::priority_queue<TimePoint, std::vector<TimePoint>, std::greater<>> due_;
    std::stop_source
        cut_;  // ends a statement that is under way, where thread_'s own stop lets it be answered
    std::jthread thread_;
};

}  // namespace memoir::work
