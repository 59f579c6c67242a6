#pragma once
// How long soaks and random trials go on: MEMOIRD_TEST_SCALE times what a test asks for. CI takes a tenth
// (.ci/run), scripts/test-long ten times as much. Read once; any thread.

#include <algorithm>
#include <cstdlib>

namespace memoir::test {

// At least `least`, below which the test would show nothing.
inline int scaled(int count, int least = 1) {
    static const double scale = [] {
        const char* text = std::getenv("MEMOIRD_TEST_SCALE");
        return text == nullptr ? 1.0 : std::atof(text);
    }();
    return std::max(least, static_cast<int>(count * scale));
}

}  // namespace memoir::test
