#pragma once
// What became of rows whose settle has an unknown outcome, or did not return them: asked by a plain read.
// Thread safety: functions.

#include <span>
#include <vector>

#include "queue/settle.hpp"
#include "work/outcomes.hpp"

namespace memoir::work {

// Accounts for those that have ended and removes them from `members`; those left are still ours. Throws
// pg::Error.
void resolve(Context& context, Outcomes& outcomes, std::span<Claim> batch, std::vector<Index>& members,
             queue::Meant meant);

}  // namespace memoir::work
