#pragma once
// Keeps a fault that hits every job from ending a whole queue before anyone can look: where no endpoint has
// said that the jobs themselves are at fault, few jobs of a kind end `failed` for the same cause within a
// minute. The others wait for their turn, no attempt counted. Counted in this process alone. Thread safety:
// all of Brake.

#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "base/clock.hpp"
#include "endpoint/blame.hpp"

namespace memoir::work {

class Brake {
  public:
    static constexpr std::size_t most = endpoint::alike_jobs;
    static constexpr Milliseconds window{60'000};
    // A job that waits longer than that asks again.
    static constexpr Milliseconds longest_wait{600'000};

    struct Answer {
        Milliseconds wait{0};  // zero: the job may fail
        bool pulled = false;   // this job is the first that has to wait
    };
    Answer may_fail(const std::string& kind, const std::string& reason, TimePoint now);

  private:
    struct Line {
        std::deque<TimePoint> failed;  // within the window
        TimePoint next{};              // the turn of the next one that has to wait
        bool pulled = false;
    };
    std::mutex mutex_;
    std::map<std::pair<std::string, std::string>, Line> lines_;  // by kind and cause
};

}  // namespace memoir::work
