// Rate-limit headers, declared in chat_body.hpp.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>

#include "model/chat_body.hpp"

namespace memoir::model {

namespace {

using std::chrono::system_clock;

// A limit that is full again only later than this is a quota of money or of the day: more than pacing can do.
constexpr double longest_seconds = 24.0 * 3600;

bool read_number(std::string_view& text, double& value) {
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (error != std::errc{} || !std::isfinite(value)) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
}

// Seconds that the unit at the front stands for, which is taken away; 0: none is there.
double take_unit(std::string_view& text) {
    struct Unit {
        std::string_view name;
        double seconds;
    };
    static constexpr Unit units[] = {{"ms", 1e-3}, {"us", 1e-6}, {"µs", 1e-6}, {"ns", 1e-9},
                                     {"h", 3600},  {"m", 60},    {"s", 1},     {"d", 86400}};
    for (const auto& unit : units)
        if (text.starts_with(unit.name)) return text.remove_prefix(unit.name.size()), unit.seconds;
    return 0;
}

std::optional<double> duration_seconds(std::string_view text) {
    double total = 0, value = 0;
    bool first = true;
    while (!text.empty()) {
        if (!read_number(text, value) || value < 0) return std::nullopt;
        if (first && text.empty()) return value;  // plain seconds
        const double unit = take_unit(text);
        if (unit == 0) return std::nullopt;
        total += value * unit;
        first = false;
    }
    return first ? std::nullopt : std::optional(total);
}

std::optional<double> time_seconds(const std::string& text, system_clock::time_point now) {
    std::tm parts{};
    const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
    if (!rest) return std::nullopt;
    if (*rest == '.')
        for (++rest; *rest >= '0' && *rest <= '9';) ++rest;
    int hours = 0, minutes = 0;
    char sign = '+', end = '\0';
    if (*rest != 'Z' && *rest != 'z') {
        if (std::sscanf(rest, "%c%2d:%2d%c", &sign, &hours, &minutes, &end) != 3 ||
            (sign != '+' && sign != '-'))
            return std::nullopt;
    } else if (rest[1] != '\0') {
        return std::nullopt;
    }
    const auto offset = (hours * 60 + minutes) * 60 * (sign == '-' ? -1 : 1);
    // In floating point: the clock's nanoseconds end in 2262.
    const auto at = static_cast<double>(::timegm(&parts) - offset);
    return std::max(0.0, at - std::chrono::duration<double>(now.time_since_epoch()).count());
}

std::optional<double> number_of(const std::string& text) {
    std::string_view rest = text;
    double value = 0;
    if (!read_number(rest, value) || !rest.empty()) return std::nullopt;
    return value;
}

}  // namespace

std::optional<Milliseconds> parse_reset(const std::string& text, system_clock::time_point now) {
    auto seconds = duration_seconds(text);
    if (!seconds) seconds = time_seconds(text, now);
    if (!seconds || *seconds > longest_seconds) return std::nullopt;
    return Milliseconds(static_cast<Milliseconds::rep>(std::ceil(*seconds * 1000)));
}

void add_quota(Quotas& quotas, const std::string& which, const http::Response& response,
               const std::string& limit, const std::string& remaining, const std::string& reset, double cost,
               system_clock::time_point now) {
    const auto most = number_of(response.header(limit)), left = number_of(response.header(remaining));
    const auto full = parse_reset(response.header(reset), http::answered_at(response, now));
    // Azure says −1 or 0 where it does not know.
    if (!most || !left || !full || *most <= 0 || *left < 0 || *left > *most || full->count() <= 0) return;
    quotas.emplace_back(which,
                        endpoint::Quota{*most, *left, *full, std::clamp(cost, 1.0, std::max(1.0, *most))});
}

}  // namespace memoir::model
