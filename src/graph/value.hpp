#pragma once
// What FalkorDB answered. Thread safety: values.

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace memoir::graph {

struct Value;
using List = std::vector<Value>;

// An error of the server: its code ("LOADING", "ERR" …), and of its text the length alone, for it echoes the
// query.
struct ServerError {
    std::string code;
    std::size_t length = 0;
    bool no_module = false;  // it does not know the command: a Redis without FalkorDB
    bool memory = false;     // a limit of its memory
};

struct Value
    : std::variant<std::monostate, std::int64_t, std::string, std::vector<float>, List, ServerError> {
    using variant::variant;
    bool is_null() const { return index() == 0; }
    std::string text() const {  // "" for what is no text
        const auto* text = std::get_if<std::string>(this);
        return text ? *text : std::string();
    }
};

// Rows of a query: one list a row.
using Rows = std::vector<List>;

}  // namespace memoir::graph
