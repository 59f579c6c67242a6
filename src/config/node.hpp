#pragma once
// What a config file says, whatever its syntax: a tree of values, each with the place where it stands.
// TOML and JSON are read into it, so that everything after the readers exists once. Positions count from 1,
// columns in code points. Thread safety: values.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace memoir::config {

struct Position {
    int line = 0;
    int column = 0;
    friend auto operator<=>(const Position&, const Position&) = default;
};

struct Member;

struct Node {
    enum class Type { table, list, text, integer, number, boolean, null, date };
    Type type = Type::table;
    Position at;
    std::string text;
    std::int64_t integer = 0;
    double number = 0;
    bool boolean = false;
    std::vector<Node> items;      // of a list
    std::vector<Member> members;  // of a table, in the order of the file
};

struct Member {
    std::string name;
    Position at;  // of the name
    Node value;
};

// "a string", "an integer", "a table" …: for problems that say what was found.
std::string_view with_article(Node::Type type);

// What ends the reading of a file. `text` is ours alone: readers' own messages quote the file, and a file
// holds secrets.
struct SyntaxError {
    Position at;
    std::string text;
    std::string hint;
};

// Where the first bytes stand that are no UTF-8; readers expect that there are none.
std::optional<Position> invalid_utf8(std::string_view source);

// Neither throws anything but std::bad_alloc; both refuse duplicate keys.
std::variant<Node, SyntaxError> read_toml(std::string_view source);
std::variant<Node, SyntaxError> read_json(std::string_view source);

}  // namespace memoir::config
