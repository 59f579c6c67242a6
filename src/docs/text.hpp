#pragma once
// Helpers of the writers. Thread safety: pure functions.

#include <string>
#include <string_view>
#include <vector>

namespace memoir::docs {

std::string joined(const std::vector<std::string>& words, std::string_view separator);
// Every `from` in `text` becomes `to`.
std::string replaced(std::string text, std::string_view from, std::string_view to);
// With a backslash before each of `characters`.
std::string escaped(std::string_view text, std::string_view characters);

}  // namespace memoir::docs
