#pragma once
// The keeper: one thread with a connection of its own, outside the pool, so that nothing that loops do can
// delay a heartbeat. It renews what this process holds and hands back rows of ours that nobody here holds.
// What a beat costs depends on what is held here alone.
//
// Only the renewal says whether the process is well. The row in memoird_hosts is sent once it is answered,
// has a short limit of its own, and its failure is nobody's. When no heartbeat was answered for 5/6 of a
// lease, our own jobs are cancelled: the lease may be somebody else's by then. Thread safety: start, stop,
// nudge, healthy and last_answer from any thread.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "pg/connection.hpp"
#include "queue/settle.hpp"
#include "work/context.hpp"

namespace memoir::work {

class LeaseKeeper {
  public:
    // `extra`: statements that follow a heartbeat (the row in memoird_hosts); may be empty.
    LeaseKeeper(Context& context, pg::ConnectOptions database, std::function<pg::Segment()> extra);
    ~LeaseKeeper();
    void start();
    // Stops the thread after it handed back every row that still carries this process's claims, where the
    // database answers within `wait`. Returns how many those were.
    int stop(Milliseconds wait);

    // A row of ours is held by nobody here, or others should hear of us: do not wait for the next heartbeat.
    void nudge();
    // When the last heartbeat was answered.
    TimePoint last_answer() const { return last_answer_; }
    // All were answered for half a lease: whoever else lives has been answered, too.
    bool healthy() const;

    // min(lease / 3, 10 s): beside workers of the library, whose lease is 60 s, every row is renewed well
    // inside it.
    static Milliseconds interval(Milliseconds lease);
    // The longest wait before another connect: a sixth of the lease, a second at most. Whoever is back first
    // declares nobody dead before half a lease has passed, and by then everybody has tried again and been
    // answered.
    static Milliseconds longest_reconnect(Milliseconds lease);

  private:
    void run(const std::stop_token& stop);
    bool connect();
    void heartbeat();
    void look_for_strays();
    void send_extra();
    void hand_back(std::span<const queue::Fence> orphans);
    void failed(const pg::Error& error, const char* what);
    Milliseconds age() const;

    Context& context_;
    const pg::ConnectOptions database_;
    const std::function<pg::Segment()> extra_;
    const TimePoint begun_ = Steady::now();
    std::unique_ptr<pg::Connection> connection_;
    std::atomic<TimePoint> last_answer_{Steady::now()};
    std::atomic<TimePoint> healthy_since_{Steady::now()};
    TimePoint next_connect_{}, next_stray_look_{};
    int failures_ = 0;

    mutable std::mutex mutex_;
    std::condition_variable_any wake_;
    bool nudged_ = false, ended_ = false;
    std::stop_source
        cut_;  // ends a statement that is under way, where thread_'s own stop lets it be answered
    std::jthread thread_;
};

}  // namespace memoir::work
