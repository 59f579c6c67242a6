#include "memory/scope.hpp"

namespace memoir::memory {

bool ScopeFilter::matches(const Scope& scope) const {
    const auto fits = [](const std::optional<std::string>& asked, const std::string& stored) {
        return !asked || *asked == stored;
    };
    return fits(agent_id, scope.agent_id) && fits(org_id, scope.org_id) && fits(user_id, scope.user_id);
}

ScopeFilter seen_from(const Scope& scope) {
    ScopeFilter filter{scope.agent_id, scope.org_id, scope.user_id};
    if (scope.agent_id == no_agent) filter.agent_id.reset();
    if (scope.org_id == no_org) filter.org_id.reset();
    return filter;
}

std::string condition(const ScopeFilter& filter, const std::string& table, pg::Params& params) {
    std::string text;
    const auto compare = [&](const char* column, const std::optional<std::string>& asked) {
        if (!asked) return;
        params.add(*asked);
        text += " and " + table + column + " = $" + std::to_string(params.size()) + "::text";
    };
    compare("user_id", filter.user_id);
    compare("agent_id", filter.agent_id);
    compare("org_id", filter.org_id);
    return text;
}

}  // namespace memoir::memory
