#pragma once
// Lists as people read them: "embed, extract". Owns nothing. Thread safety: functions. Failures: none.

#include <span>
#include <string>
#include <string_view>

namespace memoir {

std::string join(std::span<const std::string> words, std::string_view separator = ", ");
std::string join(std::span<const std::string_view> words, std::string_view separator = ", ");

}  // namespace memoir
