#pragma once
// A wait that a stop ends at once. Thread safety: function.

#include <chrono>
#include <stop_token>

namespace memoir {

// Returns false when the stop came first.
bool pause(std::chrono::milliseconds duration, const std::stop_token& stop);

}  // namespace memoir
