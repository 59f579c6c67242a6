#pragma once
// What the engine counts, for metrics, status and --until-idle. Thread safety: all of Tally.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace memoir::work {

// How a claim ended.
enum class Outcome {
    completed,
    retried,   // an attempt counted, parked until the next one
    parked,    // no attempt counted, parked until its backend is back
    released,  // pending again at once
    failed,    // for good
    lost,      // another worker had it by then
    unknown,   // the connection broke during the commit, and the row has gone since
};
constexpr std::string_view to_string(Outcome outcome) {
    constexpr std::array<std::string_view, 7> names{"completed", "retried", "parked", "released",
                                                    "failed",    "lost",    "unknown"};
    return names[static_cast<std::size_t>(outcome)];
}
// The same job will be claimed again.
constexpr bool comes_back(Outcome outcome) {
    return outcome == Outcome::retried || outcome == Outcome::parked || outcome == Outcome::released;
}

// Told of what happens, as it happens; app turns it into metrics. Called from loops: must be quick.
struct Observer {
    std::function<void(const std::string& kind, int rows)> claimed;
    // A claim ended. failure: the type behind it, or "none". waited: from the job's creation to the claim;
    // run: from the claim to here.
    struct End {
        const std::string& kind;
        Outcome outcome;
        std::string_view failure;
        Milliseconds waited, run;
    };
    std::function<void(const End&)> ended;
    // A row came back to pending. from: dead, foreign, parked; buried: it ended as failed instead.
    std::function<void(const std::string& kind, const std::string& from)> recovered;
    // A row of ours that no loop held was released.
    std::function<void(const std::string& kind)> handed_back;
    // A transaction that ends claims stood. took: from asking for its connection to the answer of its commit.
    std::function<void(const std::string& kind, std::chrono::duration<double> took)> settled;
};

struct Tally {
    std::atomic<std::uint64_t> claimed{0}, succeeded{0}, retried{0}, failed{0}, parked{0}, released{0},
        lost{0}, recovered{0};
    Observer observer;
};

}  // namespace memoir::work
