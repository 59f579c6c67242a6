// Quoting for Cypher: whatever the bytes, the literal is one string of the language and holds what was given.
#include <cstdint>
#include <cstdlib>

#include "graph/cypher.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view given(reinterpret_cast<const char*>(data), size);
    const auto literal = memoir::graph::Literal::text(given).cypher();
    if (literal.size() < 2 || literal.front() != '"' || literal.back() != '"') std::abort();
    // Read back as the server does: a backslash takes the next letter along, a bare quote would end it.
    std::string read, wanted;
    for (std::size_t at = 1; at + 1 < literal.size(); ++at) {
        if (literal[at] == '"') std::abort();
        if (literal[at] == '\\' && ++at + 1 == literal.size()) std::abort();
        read += literal[at];
    }
    for (const char letter : given)
        if (letter != '\0') wanted += letter;
    if (read != wanted) std::abort();
    const auto type = memoir::graph::quoted_type(given);
    if (type.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_`") != type.npos || type.size() < 3)
        std::abort();
    return 0;
}
