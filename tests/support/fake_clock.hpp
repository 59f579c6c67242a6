#pragma once
// A clock that stands still until it is told to go. Thread safety: all of it.

#include <atomic>

#include "base/clock.hpp"

namespace memoir::test {

class FakeClock : public Clock {
  public:
    TimePoint now() const override { return TimePoint(Steady::duration(ticks_.load())); }
    void advance(Steady::duration by) { ticks_ += by.count(); }

  private:
    std::atomic<Steady::rep> ticks_{std::chrono::hours(1) / Steady::duration(1)};
};

}  // namespace memoir::test
