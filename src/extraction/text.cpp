#include "extraction/text.hpp"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>

namespace memoir::extraction {

namespace {

constexpr char32_t replacement = 0xFFFD;

// The scalar at `at`, which moves past it; negative where the bytes there are no UTF-8.
UChar32 next(std::string_view text, std::size_t& at) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
    UChar32 scalar = 0;
    U8_NEXT(bytes, at, text.size(), scalar);
    return scalar;
}

}  // namespace

void append_scalar(std::string& out, char32_t scalar) {
    if (scalar == 0) return;
    if (scalar > 0x10FFFF || (scalar >= 0xD800 && scalar <= 0xDFFF)) scalar = replacement;
    char bytes[U8_MAX_LENGTH];
    int length = 0;
    U8_APPEND_UNSAFE(bytes, length, static_cast<UChar32>(scalar));
    out.append(bytes, static_cast<std::size_t>(length));
}

std::string clean(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const auto begin = at;
        const auto scalar = next(text, at);
        if (scalar > 0)
            out.append(text.substr(begin, at - begin));
        else if (scalar < 0)
            append_scalar(out, replacement);
    }
    return out;
}

std::size_t count_scalars(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

bool is_blank(std::string_view text) {
    for (std::size_t at = 0; at < text.size();)
        if (const auto scalar = next(text, at); scalar < 0 || !u_isUWhiteSpace(scalar)) return false;
    return true;
}

}  // namespace memoir::extraction
