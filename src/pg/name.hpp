#pragma once
// The schema's name is the one identifier that configuration brings into SQL. It matches [a-z_][a-z0-9_]*
// (config and schema::check see to it) and is quoted all the same: it may be a word that SQL reserves.

#include <string>
#include <string_view>

namespace memoir::pg {

// "memoir".memory_jobs
inline std::string qualified(std::string_view schema, std::string_view name) {
    std::string text = "\"";
    text.append(schema).append("\".").append(name);
    return text;
}

}  // namespace memoir::pg
