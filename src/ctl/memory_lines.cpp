#include "ctl/memory_lines.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ctl/command.hpp"
#include "ctl/scope_options.hpp"
#include "extraction/event_time.hpp"

namespace memoir::ctl {
namespace {

using Json = nlohmann::json;

// PostgreSQL stores no U+0000, and libpq would cut the text there.
bool holds_nul(const Json& value) {
    if (value.is_string()) return value.get_ref<const std::string&>().find('\0') != std::string::npos;
    if (value.is_object())
        for (const auto& item : value.items())
            if (item.key().find('\0') != std::string::npos) return true;
    return value.is_structured() &&
           std::any_of(value.begin(), value.end(), [](const Json& each) { return holds_nul(each); });
}

Json checked_object(const Json& value, const std::string& where) {
    if (!value.is_object()) throw Usage(where + ": metadata must be a JSON object");
    if (holds_nul(value))
        throw Usage(where + ": metadata holds a NUL character, which PostgreSQL cannot store");
    return value;
}

std::string text_of(const Json& value, const std::string& key, const std::string& where) {
    if (!value.is_string()) throw Usage(where + ": " + key + " must be a string");
    if (holds_nul(value))
        throw Usage(where + ": " + key + " holds a NUL character, which PostgreSQL cannot store");
    return value.get<std::string>();
}

// Of a scope: null where none is meant, which a user never is.
std::string part_of(const Json& value, const std::string& key, const std::string& where) {
    if (value.is_null() && key == "agent") return std::string(memory::no_agent);
    if (value.is_null() && key == "org") return std::string(memory::no_org);
    auto text = text_of(value, key, where);
    check_written(key, text, where + ": ");
    return text;
}

memory::NewMemory read_line(const Json& object, memory::NewMemory memory, const std::string& where) {
    if (!object.is_object()) throw Usage(where + ": a JSON object was expected");
    if (memory.agent_id.empty()) memory.agent_id = memory::no_agent;
    if (memory.org_id.empty()) memory.org_id = memory::no_org;
    for (const auto& [key, value] : object.items()) {
        if (key == "agent")
            memory.agent_id = part_of(value, key, where);
        else if (key == "org")
            memory.org_id = part_of(value, key, where);
        else if (key == "user")
            memory.user_id = part_of(value, key, where);
        else if (key == "content")
            memory.content = text_of(value, key, where);
        else if (key == "metadata")
            memory.metadata = checked_object(value, where).dump();
        else if (key == "event_at")
            memory.event_at = checked_event_at(text_of(value, key, where), where);
        else
            throw Usage(where + ": a key that is none of agent, org, user, content, metadata, event_at");
    }
    if (!object.contains("content")) throw Usage(where + ": content is missing");
    if (memory.user_id.empty()) throw Usage(where + ": user is missing");
    return memory;
}

}  // namespace

std::string checked_metadata(const std::string& text, const std::string& where) {
    return checked_object(Json::parse(text, nullptr, false), where).dump();
}

std::string checked_event_at(const std::string& text, const std::string& where) {
    if (auto time = extraction::parse_event_time(text)) return *std::move(time);
    throw Usage(where + ": event_at must be RFC 3339 with an offset, or a date YYYY-MM-DD");
}

std::vector<memory::NewMemory> read_memory_lines(std::istream& in, const memory::NewMemory& defaults) {
    std::vector<memory::NewMemory> memories;
    std::string line;
    for (std::size_t number = 1; std::getline(in, line); ++number) {
        if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
        const std::string where = "line " + std::to_string(number);
        const auto object = Json::parse(line, nullptr, false);
        if (object.is_discarded()) throw Usage(where + ": not JSON, or not UTF-8");
        memories.push_back(read_line(object, defaults, where));
    }
    return memories;
}

}  // namespace memoir::ctl
