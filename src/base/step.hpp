#pragma once
// Names of the moments between two effects of a job, at which a test kills the process. A no-op: only
// memoird_steps, a program of the tests, compiles some sources once more with MEMOIRD_STEPS, and then step()
// is that of tests/system/step.cpp. Thread safety: function.

#include <string_view>

namespace memoir {

#ifdef MEMOIRD_STEPS
void step(std::string_view name);
#else
constexpr void step(std::string_view) {}
#endif

}  // namespace memoir
