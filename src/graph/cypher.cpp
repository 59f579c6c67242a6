#include "graph/cypher.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace memoir::graph {

Literal Literal::text(std::string_view value) {
    std::string quoted = "\"";
    quoted.reserve(value.size() + 2);
    for (const char letter : value) {
        if (letter == '\0') continue;
        if (letter == '"' || letter == '\\') quoted += '\\';
        quoted += letter;
    }
    return Literal(quoted + '"');
}

Literal Literal::number(double value) {
    // The shortest text that reads back as the same double; never one that reads as an integer.
    auto text = fmt::format("{}", std::isfinite(value) ? value : 0.0);
    if (text.find_first_of(".e") == text.npos) text += ".0";
    return Literal(std::move(text));
}

Literal Literal::null() {
    return Literal("null");
}

Literal::List& Literal::List::add(const Literal& item) {
    if (!empty()) items_ += ',';
    items_ += item.cypher();
    return *this;
}

Literal::Map& Literal::Map::add(std::string_view key, const Literal& value) {
    if (items_.size() > 1) items_ += ',';
    items_.append(key).append(":").append(value.cypher());
    return *this;
}

Query& Query::with(std::string_view name, const Literal& value) {
    header_.append(" ").append(name).append("=").append(value.cypher());
    return *this;
}

std::string Query::text(std::string_view body) const {
    return header_ + ' ' + std::string(body);
}

std::string relation_type(std::string_view relation) {
    std::string type;
    for (const char letter : relation) {
        const bool lower = letter >= 'a' && letter <= 'z';
        if (lower || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9'))
            type += lower ? static_cast<char>(letter - 'a' + 'A') : letter;
        else if (!type.empty() && type.back() != '_')
            type += '_';
    }
    if (!type.empty() && type.back() == '_') type.pop_back();
    return type.empty() ? "RELATED_TO" : type;
}

std::string quoted_type(std::string_view type) {
    return "`" + relation_type(type) + "`";
}

bool is_single_valued(std::string_view type) {
    constexpr std::array single{"WORKS_AT", "LIVES_IN", "LOCATED_IN", "REPORTS_TO"};
    return std::ranges::find(single, type) != single.end();
}

}  // namespace memoir::graph
