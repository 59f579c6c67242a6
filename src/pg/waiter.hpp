#pragma once
// Waiting on a socket until it is ready, a deadline passes or a stop is asked for, whichever comes first.
// Nothing polls on an interval: a stop writes to an eventfd that every wait watches. Thread safety: one
// thread waits; the stop may come from any.

#include <poll.h>

#include <optional>
#include <stop_token>

#include "base/clock.hpp"

namespace memoir::pg {

class Waiter {
  public:
    Waiter();
    ~Waiter();
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

    enum class Woken { ready, deadline, stop };
    // `events` as in poll(2); errors and hang-ups count as ready: the next read tells.
    Woken wait(int socket, short events, TimePoint deadline);

    // For its lifetime the waits of `waiter` end when `stop` is asked for.
    class Watch {
      public:
        Watch(Waiter& waiter, std::stop_token stop);
        ~Watch();
        Watch(const Watch&) = delete;
        Watch& operator=(const Watch&) = delete;

      private:
        struct Wake {
            int event;
            void operator()() const;
        };
        Waiter& waiter_;
        std::stop_token stop_;
        std::optional<std::stop_callback<Wake>> callback_;
    };

  private:
    int event_;
};

// True when there is something to read, or the other side has closed, right now.
bool readable(int socket);

}  // namespace memoir::pg
