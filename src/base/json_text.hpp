#pragma once
// JSON texts of strangers, before a parser sees them. Linear in the text. Thread safety: functions.

#include <cstddef>
#include <string>
#include <string_view>

namespace memoir {

// Whether the text nests at most so deep and holds at most about so many values: a tree of it takes some
// eighty bytes a value, and what walks the tree recurses once a level. Says nothing of whether it is JSON.
bool json_fits(std::string_view json, int levels, std::size_t values);

// The four hexadecimal digits at `at`, as in \uXXXX; negative when they are not four.
int hex4(std::string_view text, std::size_t at);

// Half surrogate pairs and bytes that are no UTF-8, as servers write them that cut a text between two tokens,
// replaced by U+FFFD: parsers refuse the whole text for one.
std::string repaired_json(std::string_view json);

}  // namespace memoir
