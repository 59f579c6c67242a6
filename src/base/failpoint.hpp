#pragma once
// Names of the moments between two effects of a job, at which a test kills the process. A no-op: only
// memoird_failpoints, a program of the tests, compiles some sources once more with MEMOIRD_FAILPOINTS, and
// then step() is that of tests/system/failpoint.cpp. Thread safety: function.

#include <string_view>

namespace memoir {

#ifdef MEMOIRD_FAILPOINTS
void failpoint(std::string_view name);
#else
constexpr void failpoint(std::string_view) {}
#endif

}  // namespace memoir
