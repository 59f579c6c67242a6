#include "telemetry/escape.hpp"

#include <spdlog/fmt/fmt.h>

#include <cstddef>
#include <cstdint>
#include <iterator>

namespace memoir::telemetry {
namespace {

struct CodePoint {
    char32_t value;
    std::size_t bytes;
    bool valid;  // false: `value` is the one stray byte
};

// Reads the code point at the start of `text`, which is not empty. Overlong forms, surrogates and values past
// U+10FFFF are stray bytes (Unicode 15, table 3-7).
CodePoint next(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return {first, 1, true};
    const CodePoint stray{first, 1, false};
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length) return stray;
    char32_t value = first & (0x7fU >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return stray;
        value = value << 6 | (byte(i) & 0x3fU);
    }
    const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
    if (overlong || (value >= 0xd800 && value <= 0xdfff) || value > 0x10ffff) return stray;
    return {value, length, true};
}

// Moves the cursor, ends a line, or changes the direction in which a line is read.
bool harmful(char32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0x061c || c == 0x200e ||
           c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

// In a JSON string.
bool stands_as_it_is(char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void append_escaped(std::string& out, char32_t c) {
    switch (c) {
        case '\n':
            out += "\\n";
            return;
        case '\r':
            out += "\\r";
            return;
        case '\t':
            out += "\\t";
            return;
        default:
            fmt::format_to(std::back_inserter(out), "\\u{{{:x}}}", static_cast<std::uint32_t>(c));
    }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    while (true) {
        // Nearly all text is plain ASCII; it is appended in one piece.
        std::size_t plain = 0;
        while (plain < text.size() && stands_as_it_is(text[plain])) ++plain;
        out.append(text.substr(0, plain));
        text.remove_prefix(plain);
        if (text.empty()) break;
        const CodePoint c = next(text);
        if (!c.valid) {
            out += "\xef\xbf\xbd";
        } else if (c.value == '"' || c.value == '\\') {
            out += '\\';
            out += static_cast<char>(c.value);
        } else if (harmful(c.value)) {  // all of them lie in the basic plane
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<std::uint32_t>(c.value));
        } else {
            out.append(text.substr(0, c.bytes));
        }
        text.remove_prefix(c.bytes);
    }
    out += '"';
}

void append_plain(std::string& out, std::string_view text) {
    while (!text.empty()) {
        const CodePoint c = next(text);
        if (!c.valid)
            fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<std::uint32_t>(c.value));
        else if (harmful(c.value))
            append_escaped(out, c.value);
        else
            out.append(text.substr(0, c.bytes));
        text.remove_prefix(c.bytes);
    }
}

void append_plain_value(std::string& out, std::string_view text) {
    std::string plain;
    append_plain(plain, text);
    if (!plain.empty() && plain.find_first_of(" \"=\\") == std::string::npos) {
        out += plain;
        return;
    }
    out += '"';
    for (const char c : plain) {
        if (c == '"') out += '\\';
        out += c;
    }
    out += '"';
}

}  // namespace memoir::telemetry
