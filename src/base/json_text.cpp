#include "base/json_text.hpp"

#include <unicode/utf8.h>

#include <cstdint>

namespace memoir {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

// The unit of "\uXXXX" at `at`; negative where no such escape stands.
int unit_at(std::string_view text, std::size_t at) {
    return at < text.size() && text.substr(at).starts_with("\\u") ? hex4(text, at + 2) : -1;
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

int hex4(std::string_view text, std::size_t at) {
    if (at + 4 > text.size()) return -1;
    int value = 0;
    for (std::size_t i = at; i < at + 4; ++i) {
        const int digit = hex_digit(text[i]);
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

bool json_fits(std::string_view json, int levels, std::size_t values) {
    int depth = 0;
    std::size_t count = 0;
    for (std::size_t at = 0; at < json.size(); ++at) {
        switch (json[at]) {
            case '"':
                for (++at; at < json.size() && json[at] != '"'; ++at)
                    if (json[at] == '\\') ++at;
                break;
            case '[':
            case '{':
                if (++depth > levels || ++count > values) return false;
                break;
            case ']':
            case '}':
                --depth;
                break;
            case ',':
                if (++count > values) return false;
                break;
            default:
                break;
        }
    }
    return true;
}

std::string repaired_json(std::string_view json) {
    std::string out;
    out.reserve(json.size());
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(json.data());
    for (std::size_t at = 0; at < json.size();) {
        if (json[at] == '\\') {
            const int unit = unit_at(json, at);
            const int next = unit >= 0 ? unit_at(json, at + 6) : -1;
            const bool high = unit >= 0xD800 && unit <= 0xDBFF, low = unit >= 0xDC00 && unit <= 0xDFFF;
            const bool pair = high && next >= 0xDC00 && next <= 0xDFFF;
            const std::size_t taken = pair ? 12 : unit >= 0 ? 6 : 2;
            if ((high && !pair) || low)
                out += replacement;
            else
                out += json.substr(at, taken);
            at += taken;
            continue;
        }
        const auto begin = at;
        UChar32 scalar = 0;
        U8_NEXT(bytes, at, json.size(), scalar);
        out += scalar < 0 ? replacement : json.substr(begin, at - begin);
    }
    return out;
}

}  // namespace memoir
