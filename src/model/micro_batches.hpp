#pragma once
// Which texts go through the model together. Thread safety: pure functions. Failures: none.

#include <cstddef>
#include <span>
#include <vector>

namespace memoir::model {

// Texts of like length together, so that little is padded: at most `budget` tokens a batch, padding included;
// a longer text goes alone. Returns indices into `lengths`; the longest first, so that threads end at about
// the same time.
std::vector<std::vector<std::size_t>> plan_micro_batches(std::span<const std::size_t> lengths,
                                                         std::size_t budget);

}  // namespace memoir::model
