#pragma once
// Repeats a settle until it stands: a database that is away, a lock held elsewhere and a connection lost
// during a commit only make it wait. Gives up when the engine abandons its work (a second signal, or the end
// of the drain). Thread safety: all of Persist.

#include <atomic>
#include <utility>

#include "pg/error.hpp"
#include "work/context.hpp"

namespace memoir::work {

// How long a settle waits for a connection of the pool before it looks around again.
constexpr Milliseconds connection_wait{5'000};

class Persist {
  public:
    explicit Persist(Context& context) : context_(context) {}

    // Calls `attempt` until it returns true; false: abandoned. Throws the pg::Error that does not pass by
    // itself, and everything else that `attempt` throws.
    template <typename Attempt>
    bool until_it_stands(Attempt&& attempt) {
        Wait wait;
        while (!context_.abandon.stop_requested()) {
            try {
                if (attempt()) return true;
            } catch (const pg::Error& error) {
                if (context_.abandon.stop_requested()) return false;
                if (!worth_repeating(error)) throw;
                tell(error, wait.since);
            }
            rest(wait);
        }
        return false;
    }

  private:
    struct Wait {
        TimePoint since = Steady::now();
        Milliseconds next{0};
    };
    static bool worth_repeating(const pg::Error& error);
    void rest(Wait& wait);
    void tell(const pg::Error& error, TimePoint since);

    Context& context_;
    std::atomic<TimePoint> told_{TimePoint::min()};  // when the log last said that settles are held up
};

}  // namespace memoir::work
