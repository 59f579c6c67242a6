#pragma once
// Whose a memory is. Since the library's 0.5 a scope may lack its agent or its organisation, never its user;
// a text of the library's then stands in the column. Whatever is written carries these texts as they are
// stored; only those that read ask what they mean (docs/contract.md, "Scopes"). Thread safety: values.

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "pg/connection.hpp"

namespace memoir::memory {

// Stored where a scope has none; the library reserves the whole prefix for agents and organisations.
inline constexpr std::string_view no_agent = "__MEMOIR_NO_AGENT__", no_org = "__MEMOIR_NO_ORG__",
                                  reserved_prefix = "__MEMOIR_";

// As stored. No write crosses it.
struct Scope {
    std::string agent_id, org_id, user_id;
    friend auto operator<=>(const Scope&, const Scope&) = default;
};

// Which scopes a reader asks for; none: any.
struct ScopeFilter {
    std::optional<std::string> agent_id, org_id, user_id;
    bool matches(const Scope& scope) const;
};

// What a memory of this scope is searched together with: its user's memories, of its own agent and
// organisation where it has them and of any where it has none.
ScopeFilter seen_from(const Scope& scope);

// SQL for the columns agent_id, org_id and user_id of `table` ("m.", or empty), which begins with `and`
// unless the filter is empty. Compares only what is asked for, so that each shape gets a plan of its own.
std::string condition(const ScopeFilter& filter, const std::string& table, pg::Params& params);

}  // namespace memoir::memory
