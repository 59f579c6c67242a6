#include <curl/curl.h>

#include <charconv>
#include <cmath>

#include "http/client.hpp"

namespace memoir::http {
namespace {

// The longest wait that a server may ask for: a spend limit ends with the month. More is an error.
constexpr std::chrono::hours longest_wait{31 * 24};

std::string_view trimmed(std::string_view text) {
    const auto blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
    return text;
}

std::optional<Milliseconds> number(std::string_view text, double milliseconds_each) {
    text = trimmed(text);
    double value = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value) || value < 0)
        return std::nullopt;
    const double wait = std::ceil(value * milliseconds_each);
    if (wait > static_cast<double>(Milliseconds(longest_wait).count())) return std::nullopt;
    return Milliseconds(static_cast<Milliseconds::rep>(wait));
}

// All three date formats of HTTP begin with the name of a weekday and libcurl reads them.
std::optional<time_t> date_of(const std::string& text) {
    const auto first = trimmed(text).substr(0, 1);
    if (first.empty() || first.find_first_of("MTWFS") != 0) return std::nullopt;
    const time_t at = curl_getdate(text.c_str(), nullptr);
    return at == -1 ? std::nullopt : std::optional(at);
}

std::optional<Milliseconds> wait_until(time_t at, std::chrono::system_clock::time_point now) {
    // In milliseconds, for the clock's nanoseconds end in 2262.
    const auto today = std::chrono::floor<Milliseconds>(now.time_since_epoch());
    if (at > std::chrono::ceil<std::chrono::seconds>(today + longest_wait).count()) return std::nullopt;
    const auto wait = Milliseconds(at * 1'000) - today;
    return std::max(wait, Milliseconds(0));  // a moment that has passed: now
}

}  // namespace

const std::string& Response::header(const std::string& name) const {
    static const std::string absent;
    for (const auto& [key, value] : headers)
        if (key == name) return value;
    return absent;
}

std::string_view to_string(TransportError error) {
    switch (error) {
        case TransportError::resolve:
            return "resolve";
        case TransportError::refused:
            return "refused";
        case TransportError::tls:
            return "tls";
        case TransportError::connect_timeout:
            return "connect_timeout";
        case TransportError::timeout:
            return "timeout";
        case TransportError::silence:
            return "silence";
        case TransportError::reset:
            return "reset";
        case TransportError::cut:
            return "cut";
        case TransportError::too_large:
            return "too_large";
        case TransportError::redirect:
            return "redirect";
        case TransportError::not_http:
            return "not_http";
        case TransportError::invalid:
            return "invalid";
        case TransportError::cancelled:
            return "cancelled";
        case TransportError::other:
            return "other";
    }
    return "unknown";
}

std::chrono::system_clock::time_point answered_at(const Response& response,
                                                  std::chrono::system_clock::time_point now) {
    const auto date = date_of(response.header("date"));
    // Beyond that the clock's nanoseconds end, and nobody's clock is right.
    constexpr time_t first = 0, last = 9'000'000'000;
    if (!date || *date < first || *date > last) return now;
    return std::chrono::system_clock::from_time_t(*date);
}

// The order of the providers' own SDKs: the exact form first.
std::optional<Milliseconds> retry_after(const Response& response, std::chrono::system_clock::time_point now) {
    if (const auto wait = number(response.header("retry-after-ms"), 1)) return wait;
    const auto& text = response.header("retry-after");
    if (const auto wait = number(text, 1'000)) return wait;
    const auto at = date_of(text);
    return at ? wait_until(*at, answered_at(response, now)) : std::nullopt;
}

}  // namespace memoir::http
