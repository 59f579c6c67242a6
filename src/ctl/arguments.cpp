#include <charconv>

#include "ctl/command.hpp"

namespace memoir::ctl {

std::optional<std::string> Arguments::get(const std::string& option) const {
    const auto found = values_.find(option);
    if (found == values_.end()) return std::nullopt;
    return found->second;
}

std::string Arguments::get(const std::string& option, std::string fallback) const {
    return get(option).value_or(std::move(fallback));
}

std::int64_t Arguments::integer(const std::string& option, std::int64_t fallback, std::int64_t low) const {
    const auto text = get(option);
    return text ? parse_integer(*text, "--" + option, low) : fallback;
}

std::string Arguments::need(const std::string& option) const {
    if (const auto value = get(option)) return *value;
    throw Usage("--" + option + " is missing");
}

std::int64_t parse_integer(const std::string& text, const std::string& what, std::int64_t low) {
    std::int64_t value = 0;
    const auto* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value);
    if (text.empty() || parsed.ec != std::errc() || parsed.ptr != end || value < low)
        throw Usage(what + " must be a whole number from " + std::to_string(low) + " up");
    return value;
}

std::string Command::synopsis() const {
    std::string text(name);
    for (const auto& option : options)
        text += " [--" + std::string(option.name) +
                (option.value.empty() ? "" : " " + std::string(option.value)) + "]";
    return rest.empty() ? text : text + " " + std::string(rest);
}

}  // namespace memoir::ctl
