#include "base/join.hpp"

#include <fmt/ranges.h>

namespace memoir {

std::string join(std::span<const std::string> words, std::string_view separator) {
    return fmt::format("{}", fmt::join(words, separator));
}

std::string join(std::span<const std::string_view> words, std::string_view separator) {
    return fmt::format("{}", fmt::join(words, separator));
}

}  // namespace memoir
