#include "ctl/scope_options.hpp"

#include <nlohmann/json.hpp>

namespace memoir::ctl {

memory::ScopeFilter read_scope(const Arguments& arguments) {
    return {arguments.get("agent"), arguments.get("org"), arguments.get("user")};
}

memory::Scope written_scope(const Arguments& arguments) {
    const auto part = [&](const char* name, std::string_view none) {
        const auto given = arguments.get(name);
        if (given) check_written(name, *given, "--");
        return given.value_or(std::string(none));
    };
    const auto user = arguments.need("user");
    check_written("user", user, "--");
    return {part("agent", memory::no_agent), part("org", memory::no_org), user};
}

void check_written(const std::string& part, const std::string& value, const std::string& where) {
    const bool optional = part != "user";
    if (value.empty())
        throw Usage(where + part + " must not be empty" + (optional ? "; leave it out for none" : ""));
    if (optional && value.starts_with(memory::reserved_prefix))
        throw Usage(where + part + " must not begin with " + std::string(memory::reserved_prefix) +
                    ", which the library keeps for itself; leave it out for none");
}

std::string shown_agent(const std::string& stored) {
    return stored == memory::no_agent ? "-" : stored;
}

std::string shown_org(const std::string& stored) {
    return stored == memory::no_org ? "-" : stored;
}

nlohmann::json agent_json(const std::string& stored) {
    return stored == memory::no_agent ? nlohmann::json() : nlohmann::json(stored);
}

nlohmann::json org_json(const std::string& stored) {
    return stored == memory::no_org ? nlohmann::json() : nlohmann::json(stored);
}

}  // namespace memoir::ctl
