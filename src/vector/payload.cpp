#include "vector/payload.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

namespace memoir::vector {
namespace {

using nlohmann::json;

// Dropped from metadata also where the memory has no such value: a reader could not tell whose it is.
constexpr std::array reserved{"pid",        "agent_id", "org_id",     "user_id", "kind",
                              "created_at", "event_at", "confidence", "category"};

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// A number token taken apart; nullopt when JSON would not take it.
struct Number {
    bool negative = false;
    std::string digits;         // integer part and fraction, leading zeros removed
    std::int64_t exponent = 0;  // value = digits × 10^exponent
    bool whole = false;         // no fraction digit is left once the written exponent is applied
};

std::optional<Number> parse_number(std::string_view token) {
    Number number;
    std::size_t at = 0;
    const auto digits_from = [&] {
        const auto begin = at;
        while (at < token.size() && is_digit(token[at])) ++at;
        return token.substr(begin, at - begin);
    };
    if (at < token.size() && token[at] == '-') number.negative = true, ++at;
    const auto integer = digits_from();
    if (integer.empty() || (integer.size() > 1 && integer[0] == '0')) return std::nullopt;
    std::string_view fraction;
    if (at < token.size() && token[at] == '.') {
        ++at;
        fraction = digits_from();
        if (fraction.empty()) return std::nullopt;
    }
    std::int64_t written = 0;
    if (at < token.size() && (token[at] == 'e' || token[at] == 'E')) {
        ++at;
        const bool down = at < token.size() && token[at] == '-';
        if (at < token.size() && (token[at] == '-' || token[at] == '+')) ++at;
        const auto exponent = digits_from();
        if (exponent.empty()) return std::nullopt;
        // Far beyond any double either way; keeps the arithmetic below from overflowing.
        const auto parsed = std::from_chars(exponent.data(), exponent.data() + exponent.size(), written);
        if (parsed.ec != std::errc() || written > 1'000'000'000) written = 1'000'000'000;
        if (down) written = -written;
    }
    if (at != token.size()) return std::nullopt;
    number.digits = std::string(integer) + std::string(fraction);
    number.digits.erase(0, std::min(number.digits.find_first_not_of('0'), number.digits.size()));
    number.exponent = written - static_cast<std::int64_t>(fraction.size());
    // The scale that PostgreSQL's numeric gives a literal, and so what jsonb prints: 1e3 has none, 10e-1 one.
    number.whole = number.exponent >= 0;
    return number;
}

std::optional<std::string> as_integer(const Number& number) {
    if (!number.whole) return std::nullopt;
    if (number.digits.empty()) return "0";
    // 19 digits hold every 64-bit integer.
    if (number.exponent > 19 || number.digits.size() + static_cast<std::size_t>(number.exponent) > 19)
        return std::nullopt;
    auto text = (number.negative ? "-" : "") + number.digits +
                std::string(static_cast<std::size_t>(number.exponent), '0');
    std::int64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc()) return std::nullopt;
    return text;
}

std::string as_double(std::string_view token, const Number& number) {
    double value = 0;
    const auto parsed = std::from_chars(token.data(), token.data() + token.size(), value);
    if (parsed.ec == std::errc::result_out_of_range) {
        const bool huge = static_cast<std::int64_t>(number.digits.size()) + number.exponent > 0;
        return huge ? "null" : "0.0";
    }
    if (!std::isfinite(value)) return "null";
    if (value == 0) return "0.0";  // numeric knows no negative zero
    std::array<char, 32> buffer;
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
    std::string text(buffer.data(), end);
    if (text.find_first_of(".e") == std::string::npos) text += ".0";
    return text;
}

std::string rewritten(std::string_view token) {
    const auto number = parse_number(token);
    if (!number) return std::string(token);
    if (auto integer = as_integer(*number)) return *integer;
    return as_double(token, *number);
}

bool deeper_than(const json& value, int levels) {
    if (!value.is_structured()) return false;
    if (levels == 0) return true;
    return std::any_of(value.begin(), value.end(),
                       [&](const json& inner) { return deeper_than(inner, levels - 1); });
}

}  // namespace

std::string normalize_numbers(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    bool in_string = false;
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at];
        if (in_string) {
            const std::size_t taken = c == '\\' && at + 1 < text.size() ? 2 : 1;
            if (c == '"') in_string = false;
            out.append(text.substr(at, taken));
            at += taken;
        } else if (c == '-' || is_digit(c)) {
            auto end = text.find_first_not_of("+-.0123456789eE", at);
            if (end == std::string_view::npos) end = text.size();
            out += rewritten(text.substr(at, end - at));
            at = end;
        } else {
            if (c == '"') in_string = true;
            out += c;
            ++at;
        }
    }
    return out;
}

std::string payload(const Point& point) {
    // Numbers first, as text: a parser would refuse 1e400 and cannot tell 1e3 from 1000.0.
    auto object = json::parse(normalize_numbers(point.metadata), nullptr, false);
    if (!object.is_object()) object = json::object();
    for (const auto* key : reserved) object.erase(key);
    for (auto member = object.begin(); member != object.end();)
        member = deeper_than(*member, max_depth) ? object.erase(member) : std::next(member);

    object["pid"] = point.pid;
    object["agent_id"] = point.agent_id;
    object["org_id"] = point.org_id;
    object["user_id"] = point.user_id;
    object["kind"] = point.kind;
    object["created_at"] = point.created_at_ms;
    if (point.event_at_ms) object["event_at"] = *point.event_at_ms;
    object["confidence"] = point.confidence;
    if (point.category) object["category"] = *point.category;
    return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace memoir::vector
