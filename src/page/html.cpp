#include "page/html.hpp"

#include <algorithm>

#include "telemetry/escape.hpp"
#include "telemetry/format.hpp"

namespace memoir::page {

std::string escape(std::string_view text, std::size_t longest) {
    // A character is at most four bytes long; one that is cut would be shown as stray bytes.
    auto end = std::min(text.size(), longest);
    while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    std::string plain;
    telemetry::append_plain(plain, text.substr(0, end));
    if (end < text.size()) plain += "…";
    std::string out;
    out.reserve(plain.size());
    for (const char c : plain) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&#39;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

Html& Html::element(std::string_view tag, std::string_view css, std::string_view text) {
    raw("<").raw(tag);
    if (!css.empty()) raw(" class=\"").raw(css).raw("\"");
    return raw(">").raw(escape(text)).raw("</").raw(tag).raw(">");
}

std::string grouped(std::int64_t number) {
    const std::string digits = std::to_string(number);
    const std::size_t sign = number < 0 ? 1 : 0;
    std::string out;
    for (std::size_t at = 0; at < digits.size(); ++at) {
        if (at > sign && (digits.size() - at) % 3 == 0) out += ',';
        out += digits[at];
    }
    return out;
}

std::string words(Milliseconds duration) {
    const auto ms = std::max<Milliseconds::rep>(duration.count(), 0);
    const auto pair = [](std::int64_t whole, const char* unit, std::int64_t part, const char* smaller) {
        const std::string text = std::to_string(whole) + " " + unit;
        return part == 0 ? text : text + " " + std::to_string(part) + " " + smaller;
    };
    if (ms < 1'000) return std::to_string(ms) + " ms";
    const auto s = ms / 1'000;
    if (s < 60) return std::to_string(s) + " s";
    if (s < 3'600) return pair(s / 60, "min", s % 60, "s");
    if (s < 86'400) return pair(s / 3'600, "h", s / 60 % 60, "min");
    return pair(s / 86'400, "d", s / 3'600 % 24, "h");
}

std::string time_element(std::chrono::system_clock::time_point time,
                         std::chrono::system_clock::time_point now) {
    const std::string full = telemetry::rfc3339(time), today = telemetry::rfc3339(now);
    const std::string date = full.substr(0, 10), clock = full.substr(11, 8);
    const std::string shown = date == today.substr(0, 10) ? clock : date + " " + clock;
    return "<time datetime=\"" + full + "\" title=\"" + date + " " + clock + " UTC\">" + shown + "</time>";
}

}  // namespace memoir::page
