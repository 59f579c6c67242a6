#pragma once
// What FalkorDB answered. Thread safety: values.

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace memoir::graph {

struct Value;
using List = std::vector<Value>;

struct ErrorRow;

// An error of the server: its row of the table, and of its text the length alone, for it echoes the query.
struct ServerError {
    const ErrorRow* known = nullptr;  // none: no text that is known
    std::size_t length = 0;
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
