#pragma once
// Compares what stands after a soak with what was written: nothing lost, nothing done twice, no orphan
// points, no attempt that was not earned, no reply paid twice without a reason, every job explained. Thread
// safety: none.

#include <string>
#include <vector>

#include "soak/agents.hpp"

namespace memoir::soak {

// Waits until the queue is empty but for failed jobs. False after `limit`.
bool settled(World& world, std::chrono::seconds limit);

// What is wrong, a line each; empty: nothing.
std::vector<std::string> problems(World& world, const Agents& agents);

}  // namespace memoir::soak
