#pragma once
// A memoird's log, read as JSON lines: what the tests assert of it.

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "support/memoird.hpp"
#include "support/wait.hpp"

namespace memoir::test {

// Events of this name, in order. A line that is still being written is not one yet.
inline std::vector<nlohmann::json> events(const Memoird& memoird, const std::string& name) {
    std::vector<nlohmann::json> found;
    for (const auto& line : memoird.events(name)) {
        auto event = nlohmann::json::parse(line, nullptr, false);
        if (event.is_object() && event.value("event", "") == name) found.push_back(std::move(event));
    }
    return found;
}

inline std::string text_of(const nlohmann::json& event, const std::string& field) {
    const auto found = event.find(field);
    return found == event.end() || !found->is_string() ? std::string() : found->get<std::string>();
}

// The different values of a text field.
inline std::set<std::string> values(const Memoird& memoird, const std::string& name,
                                    const std::string& field) {
    std::set<std::string> found;
    for (const auto& event : events(memoird, name)) found.insert(text_of(event, field));
    return found;
}

// One whose field has the value is there, or comes.
inline bool told(const Memoird& memoird, const std::string& name, const std::string& field,
                 const std::string& value) {
    return eventually([&] { return values(memoird, name, field).contains(value); });
}

}  // namespace memoir::test
