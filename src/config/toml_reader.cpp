// The only file that includes toml++: it takes seconds to compile.

// toml++ 3.3 asserts that a header begins with a name, though its next lines report "[=]" properly. Neither
// abort there (debug builds) nor let the compiler assume it (NDEBUG with clang).
#undef NDEBUG
#define TOML_ASSERT(expression) static_assert(true)
#include <toml++/toml.h>
// Above what follows: the two defines come first.
#include <algorithm>
#include <string>

#include "config/node.hpp"

namespace memoir::config {
namespace {

Position position(const toml::source_position& at) {
    return {static_cast<int>(at.line), static_cast<int>(at.column)};
}

Node convert(const toml::node& from);

// toml++ keeps tables sorted by name; the order of the file is the order of the names' positions. A table
// that only ever appears as part of a dotted header has the position of that header.
std::vector<Member> convert_members(const toml::table& from) {
    std::vector<Member> members;
    for (const auto& [key, value] : from) {
        members.push_back({std::string(key.str()), position(key.source().begin), convert(value)});
    }
    std::stable_sort(members.begin(), members.end(),
                     [](const Member& a, const Member& b) { return a.at < b.at; });
    return members;
}

Node convert(const toml::node& from) {
    Node node;
    node.at = position(from.source().begin);
    switch (from.type()) {
        case toml::node_type::table:
            node.type = Node::Type::table;
            node.members = convert_members(*from.as_table());
            break;
        case toml::node_type::array:
            node.type = Node::Type::list;
            for (const auto& item : *from.as_array()) node.items.push_back(convert(item));
            break;
        case toml::node_type::string:
            node.type = Node::Type::text;
            node.text = from.as_string()->get();
            break;
        case toml::node_type::integer:
            node.type = Node::Type::integer;
            node.integer = from.as_integer()->get();
            break;
        case toml::node_type::floating_point:
            node.type = Node::Type::number;
            node.number = from.as_floating_point()->get();
            break;
        case toml::node_type::boolean:
            node.type = Node::Type::boolean;
            node.boolean = from.as_boolean()->get();
            break;
        default:
            node.type = Node::Type::date;
    }
    return node;
}

// toml++ says "Error while parsing WHAT: details", and the details quote the file. Of the message we keep
// WHAT, and recognise the one mistake that deserves its own words.
SyntaxError explain(const toml::parse_error& error) {
    const std::string_view text = error.description();
    const Position at = position(error.source().begin);
    if (text.find("cannot redefine") != text.npos || text.find("cannot insert") != text.npos) {
        return {at, "a key or table is defined twice", "keep one of the two"};
    }
    constexpr std::string_view prefix = "Error while parsing ";
    std::string_view what;
    if (text.starts_with(prefix)) what = text.substr(prefix.size(), text.find(':') - prefix.size());
    // A word without quotes is first taken for whatever begins with its letters ("info" for infinity): that
    // would only confuse.
    constexpr std::string_view known[]{"key", "table header", "string", "array", "inline table", "comment"};
    if (std::find(std::begin(known), std::end(known), what) == std::end(known)) what = "value";
    return {
        at, "this is not TOML: the " + std::string(what) + " is not valid",
        "lines have the form key = value under a [section]; strings and durations must be in double quotes"};
}

// Walks over a file as a TOML lexer does, minding nothing but where texts and comments begin and end, and
// finds the first character beyond ASCII outside them. None is legal there, typographic quotes are a common
// mistake, and toml++ 3.3 has undefined behaviour where it asks whether such a character is a space
// (is_non_ascii_horizontal_whitespace). It also asks that at the start of a continued line of a text.
class AsciiCheck {
  public:
    explicit AsciiCheck(std::string_view source) : source_(source) {
        if (source_.starts_with("\xEF\xBB\xBF")) i_ = 3;
    }

    std::optional<Position> offender() {
        while (i_ < source_.size()) {
            if (static_cast<unsigned char>(source_[i_]) > 0x7F) return at_;
            if (source_[i_] == '#') {
                while (i_ < source_.size() && source_[i_] != '\n') step();
            } else if (source_[i_] == '"' || source_[i_] == '\'') {
                if (!skip_text(source_[i_])) return at_;
            } else {
                step();
            }
        }
        return std::nullopt;
    }

  private:
    void step() {
        if (source_[i_] == '\n') {
            at_ = {at_.line + 1, 1};
        } else if (i_ + 1 == source_.size() || (static_cast<unsigned char>(source_[i_ + 1]) & 0xC0) != 0x80) {
            ++at_.column;
        }
        ++i_;
    }

    bool at(std::string_view text) const { return source_.substr(i_).starts_with(text); }

    // False where a continued line begins with a character beyond ASCII.
    bool skip_text(char quote) {
        const std::string three(3, quote);
        const bool lines = at(three);
        for (int n = lines ? 3 : 1; n > 0; --n) step();
        while (i_ < source_.size()) {
            if (source_[i_] == '\\' && quote == '"') {
                step();
                if (!lines) {
                    if (i_ < source_.size()) step();
                } else if (!skip_continuation()) {
                    return false;
                }
            } else if (lines ? at(three) : source_[i_] == quote) {
                // The last three of up to five quotes end a text of several lines.
                for (int n = lines ? 5 : 1; n > 0 && i_ < source_.size() && source_[i_] == quote; --n) step();
                return true;
            } else if (!lines && source_[i_] == '\n') {
                return true;  // an error, which toml++ reports
            } else {
                step();
            }
        }
        return true;
    }

    // What follows a backslash in a text of several lines: an escape, or a line break with space around it.
    bool skip_continuation() {
        const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
        if (i_ < source_.size() && !space(source_[i_])) {
            if (static_cast<unsigned char>(source_[i_]) > 0x7F) return false;
            step();
            return true;
        }
        while (i_ < source_.size() && space(source_[i_])) step();
        return i_ == source_.size() || static_cast<unsigned char>(source_[i_]) <= 0x7F;
    }

    std::string_view source_;
    std::size_t i_ = 0;
    Position at_{1, 1};
};

}  // namespace

std::variant<Node, SyntaxError> read_toml(std::string_view source) {
    if (const auto at = AsciiCheck(source).offender()) {
        return SyntaxError{*at, "a character beyond ASCII outside quotes",
                           "put strings in plain quotes, \"like this\", not typographic ones"};
    }
    try {
        const toml::table table = toml::parse(source);
        Node root = convert(table);
        root.at = {1, 1};
        return root;
    } catch (const toml::parse_error& error) {
        return explain(error);
    }
}

}  // namespace memoir::config
