#include "config/duration.hpp"

#include <array>
#include <charconv>
#include <cstdint>

namespace memoir::config {
namespace {

struct Unit {
    std::string_view name;
    std::int64_t milliseconds;
};
constexpr std::array<Unit, 5> units{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

constexpr std::int64_t longest = 1'000'000LL * 86'400'000;  // no operator means more; sums cannot overflow

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
    std::int64_t total = 0;
    std::size_t next_unit = 0;
    if (text.empty()) return std::nullopt;
    while (!text.empty()) {
        std::int64_t count = 0;
        if (text.front() < '0' || text.front() > '9') return std::nullopt;
        const auto number = std::from_chars(text.data(), text.data() + text.size(), count);
        if (number.ec != std::errc()) return std::nullopt;
        text.remove_prefix(static_cast<std::size_t>(number.ptr - text.data()));
        const std::string_view name = text.substr(0, text.find_first_of("0123456789"));
        while (next_unit < units.size() && units[next_unit].name != name) ++next_unit;
        if (next_unit == units.size()) return std::nullopt;
        const std::int64_t unit = units[next_unit++].milliseconds;
        if (count > (longest - total) / unit) return std::nullopt;
        total += count * unit;
        text.remove_prefix(name.size());
    }
    return std::chrono::milliseconds(total);
}

std::string format_duration(std::chrono::milliseconds duration) {
    std::int64_t rest = duration.count();
    // "60s", "120s" and "10m" are how people say it; several units only where one does not do.
    if (rest % 1'000 == 0 && rest <= 120'000) return std::to_string(rest / 1'000) + "s";
    for (const Unit& unit : units) {
        if (rest % unit.milliseconds != 0) continue;
        if (rest / unit.milliseconds >= 10'000) break;
        return std::to_string(rest / unit.milliseconds) + std::string(unit.name);
    }
    std::string text;
    for (const Unit& unit : units) {
        if (rest < unit.milliseconds) continue;
        text += std::to_string(rest / unit.milliseconds) + std::string(unit.name);
        rest %= unit.milliseconds;
    }
    return text;
}

}  // namespace memoir::config
