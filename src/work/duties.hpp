#pragma once
// What is done for the whole fleet, and by one process at a time where the table memoird_duties is there: due
// jobs brought back, claims of dead holders recovered, lost fan-ins repaired, old rows cleaned away. Without
// the table every process does all of it. One thread, with a connection of its own beside the lease keeper's:
// whatever a duty costs, and however it fails, delays no heartbeat and touches no process's health.
//
// A duty works in slices of at most 1,000 rows, fewer where one takes longer than 200 ms, and rests as long
// as its last slice took. States of a duty here: held elsewhere, resting, in a round. Failures: told, and the
// duty rests; a lost connection is made again. Thread safety: start, stop, due_in and poke from any thread.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <queue>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "pg/connection.hpp"
#include "work/context.hpp"

namespace memoir::work {

struct Duty {
    std::string name;    // as it stands in memoird_duties
    Milliseconds every;  // between two rounds
    // One slice of at most `limit` rows. True: the round is not over.
    std::function<bool(pg::Connection& connection, int limit)> slice;
    // Whether this process can do it now; empty: always.
    std::function<bool()> able{};
};

class Duties {
  public:
    // `table`: memoird_duties is there.
    Duties(Context& context, pg::ConnectOptions database, bool table);
    ~Duties();
    // Before start.
    void add(Duty duty);
    void start();
    // Gives up what it holds, where the database answers soon.
    void stop();

    // A job that this process parked is due after so long.
    void due_in(std::int64_t job, Milliseconds delay);
    // A backend takes work again: jobs that waited for it are looked for at once.
    void poke();

    // The size of the next slice, after one of `limit` rows that took so long. Pure.
    static int next_limit(int limit, Milliseconds took);
    static constexpr int most_rows = 1'000;
    static constexpr Milliseconds longest_slice{200};

  private:
    struct Task {
        Duty duty;
        int limit = most_rows;
        int failures = 0;
        TimePoint next{};
    };
    void add_own();
    void run(const std::stop_token& stop);
    void pass(const std::stop_token& stop);
    bool connect();
    void hold();
    bool mine(const Task& task) const;
    void work(Task& task);
    void failed(Task* task, const pg::Error& error);
    void bring_back_own();
    void returned(const pg::Result& result);
    TimePoint next_wake() const;
    bool able_for(const std::string& kind) const;

    Context& context_;
    const pg::ConnectOptions database_;
    bool table_;
    std::vector<Task> tasks_;
    std::set<std::string> held_;  // names, until held_until_
    TimePoint held_until_{}, next_hold_{}, next_connect_{};
    int failures_ = 0;  // connects in a row
    std::unique_ptr<pg::Connection> connection_;

    struct Due {
        TimePoint at;
        std::int64_t job;
        friend auto operator<=>(const Due&, const Due&) = default;  // NOLINT(modernize-use-nullptr)
    };
    std::mutex mutex_;
    std::condition_variable_any wake_;
    bool poked_ = false;                                              // with the lock
    std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;  // with the lock
    std::stop_source cut_;                                            // ends the statement that is under way
    std::jthread thread_;
};

}  // namespace memoir::work
