#include "config/node.hpp"

namespace memoir::config {

std::string_view with_article(Node::Type type) {
    switch (type) {
        case Node::Type::table:
            return "a table";
        case Node::Type::list:
            return "a list";
        case Node::Type::text:
            return "a string";
        case Node::Type::integer:
            return "an integer";
        case Node::Type::number:
            return "a number with a fraction";
        case Node::Type::boolean:
            return "a boolean";
        case Node::Type::null:
            return "null";
        case Node::Type::date:
            return "a date or time";
    }
    return "something else";
}

std::optional<Position> invalid_utf8(std::string_view source) {
    Position at{1, 1};
    for (std::size_t i = 0; i < source.size();) {
        const auto lead = static_cast<unsigned char>(source[i]);
        const std::size_t length = lead < 0x80   ? 1
                                   : lead < 0xC2 ? 0
                                   : lead < 0xE0 ? 2
                                   : lead < 0xF0 ? 3
                                   : lead < 0xF5 ? 4
                                                 : 0;
        if (length == 0 || i + length > source.size()) return at;
        for (std::size_t k = 1; k < length; ++k) {
            const auto next = static_cast<unsigned char>(source[i + k]);
            // The second byte rules out overlong forms, surrogates and what is beyond U+10FFFF.
            const unsigned low = k > 1 ? 0x80 : lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
            const unsigned high = k > 1 ? 0xBF : lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
            if (next < low || next > high) return at;
        }
        i += length;
        if (lead == '\n') {
            ++at.line;
            at.column = 1;
        } else {
            ++at.column;
        }
    }
    return std::nullopt;
}

}  // namespace memoir::config
