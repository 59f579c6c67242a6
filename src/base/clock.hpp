#pragma once
// Time for decisions: a steady clock that tests replace. Thread safety: now() may be called from any thread.

#include <chrono>

namespace memoir {

using Steady = std::chrono::steady_clock;
using TimePoint = Steady::time_point;
using Milliseconds = std::chrono::milliseconds;

class Clock {
  public:
    virtual ~Clock() = default;
    virtual TimePoint now() const { return Steady::now(); }
    // The process-wide real clock.
    static const Clock& real();
};

}  // namespace memoir
