#pragma once
// The name that was probably meant. Thread safety: pure functions. Failures: empty, where none is near.

#include <string>
#include <string_view>
#include <vector>

namespace memoir::config {

// Insertions, deletions, replacements and swaps of neighbours that turn one into the other; case and `-`
// against `_` do not count.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate nearest to `name`; empty when none is near enough to be worth offering.
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace memoir::config
