#pragma once
// Bounded waits instead of sleeps: polls a condition, at first every millisecond, then less and less often,
// so that suites which wait side by side leave the processor to what they wait for.

#include <algorithm>
#include <chrono>
#include <thread>

namespace memoir::test {

// The limit bounds a hang and is no measure of speed: a sanitizer's build gets three times as long.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int slowness = 3;
#else
inline constexpr int slowness = 1;
#endif

template <typename Condition>
bool eventually(Condition&& condition, std::chrono::milliseconds limit = std::chrono::seconds(30)) {
    const auto end = std::chrono::steady_clock::now() + limit * slowness;
    std::chrono::microseconds wait{1'000};
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return condition();
        std::this_thread::sleep_for(wait);
        wait = std::min<std::chrono::microseconds>(wait + wait / 4, std::chrono::milliseconds(20));
    }
    return true;
}

}  // namespace memoir::test
