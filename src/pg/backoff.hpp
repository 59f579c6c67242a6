#pragma once
// When to try again after a failed connect. Thread safety: pure functions. Failures: none.

#include <algorithm>

#include "base/clock.hpp"

namespace memoir::pg {

// The wait after the nth failure in a row (1, 2 …): 100 ms × 2ⁿ⁻¹, at most 5 s, of which `unit` in [0, 1)
// takes away up to a half, so that a fleet does not come back as one. `longest`: at most this instead.
inline Milliseconds backoff(int failures, double unit, Milliseconds longest = Milliseconds(5'000)) {
    constexpr int first = 100;
    const int most = static_cast<int>(std::clamp<Milliseconds::rep>(longest.count(), first, 5'000));
    const int doublings = std::clamp(failures - 1, 0, 6);  // 100 × 2⁶ is past the cap
    const int whole = std::min(first << doublings, most);
    return Milliseconds(whole - static_cast<int>(whole * 0.5 * unit));
}

}  // namespace memoir::pg
