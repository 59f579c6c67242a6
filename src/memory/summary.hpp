#pragma once
// Rows of `memories` as memoirctl shows them. Thread safety: functions; one connection at a time.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "memory/scope.hpp"
#include "pg/connection.hpp"

namespace memoir::memory {

struct Summary {
    std::string pid, kind;
    std::string agent_id, org_id;  // as stored
    std::optional<std::string> category;
    int confidence = 100;
    std::int64_t length = 0;             // characters of its content
    std::string created_at;              // RFC 3339, UTC
    std::optional<std::string> content;  // what a person said; only when it was asked for
};

// The active ones of these that the filter lets through, in no order.
std::vector<Summary> summaries(pg::Connection& connection, const std::string& schema,
                               const ScopeFilter& filter, std::span<const std::string> pids,
                               bool with_content);

}  // namespace memoir::memory
