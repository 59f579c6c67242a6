#pragma once
// What the engine counts, for metrics, status and --until-idle. Thread safety: all of Tally.

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.hpp"
#include "base/failure.hpp"

namespace memoir::work {

// Told of what happens, as it happens; app turns it into metrics. Called from loops: must be quick.
struct Observer {
    std::function<void(const std::string& kind, int rows)> claimed;
    // outcome: succeeded, retried, failed, parked, released, lost
    std::function<void(const std::string& kind, const std::string& outcome, Milliseconds waited,
                       Milliseconds run)>
        ended;
    std::function<void(const std::string& kind, FailureType type)> failure;
    std::function<void(const std::string& kind, const std::string& from)> recovered;  // dead, foreign, parked
};

struct Tally {
    std::atomic<std::uint64_t> claimed{0}, succeeded{0}, retried{0}, failed{0}, parked{0}, released{0},
        lost{0}, recovered{0};
    Observer observer;
};

}  // namespace memoir::work
