#pragma once
// A line of threads that wait for something to become available, first come, first served. The condition is
// the owner's, looked at under the owner's mutex; a stop ends a wait at once. Thread safety: the owner's
// mutex is held for every call.

#include <condition_variable>
#include <list>
#include <mutex>
#include <optional>
#include <stop_token>

#include "base/clock.hpp"

namespace memoir::endpoint {

class WaitQueue {
  public:
    // Returns true when it is this thread's turn and `wait_for()` says zero; false after a stop. wait_for()
    // returns how long to wait before it is worth asking again, nullopt for "until notified", and may throw,
    // which ends the wait wherever in the line the thread stands.
    template <typename WaitFor>
    bool wait(std::unique_lock<std::mutex>& lock, const std::stop_token& stop, WaitFor&& wait_for) {
        const Place place(*this);
        for (;;) {
            const std::optional<Steady::duration> time = wait_for();
            if (stop.stop_requested()) return false;
            const bool first = &place.waiter == line_.front();
            if (first && time && time->count() <= 0) return true;
            const auto told = [&] { return place.waiter.told; };
            if (first && time)
                place.waiter.changed.wait_for(lock, stop, *time, told);
            else
                place.waiter.changed.wait(lock, stop, told);
            place.waiter.told = false;
        }
    }

    bool empty() const { return line_.empty(); }
    int size() const { return static_cast<int>(line_.size()); }

    // The condition may have become true for the first in line; for all: or its end for everybody.
    void notify() {
        if (!line_.empty()) line_.front()->tell();
    }
    void notify_all() {
        for (auto* waiter : line_) waiter->tell();
    }

  private:
    struct Waiter {
        std::condition_variable_any changed;
        bool told = false;
        void tell() {
            told = true;
            changed.notify_all();
        }
    };
    // A place in the line; who leaves it makes room for the next.
    struct Place {
        explicit Place(WaitQueue& queue) : queue_(queue) { queue_.line_.push_back(&waiter); }
        ~Place() {
            queue_.line_.remove(&waiter);
            queue_.notify();
        }
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;
        mutable Waiter waiter;
        WaitQueue& queue_;
    };
    std::list<Waiter*> line_;
};

}  // namespace memoir::endpoint
