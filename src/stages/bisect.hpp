#pragma once
// Finding the culprit of a batch: a failure of a job's own (Failure::own) halves the batch until the job is
// alone; what is not a job's own ends it for all. Thread safety: function.

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/failure.hpp"

namespace memoir::stages {

// Calls `attempt` with subsets of 0 … count-1 until each was in one that succeeded or failed alone. Returns
// the failures; nullopt: succeeded. A failure that is no job's own is thrown on.
inline std::vector<std::optional<Failure>> bisect(
    std::size_t count, const std::function<void(std::span<const std::size_t>)>& attempt) {
    std::vector<std::optional<Failure>> failures(count);
    std::vector<std::size_t> all(count);
    for (std::size_t member = 0; member < count; ++member) all[member] = member;
    const std::function<void(std::span<const std::size_t>)> descend = [&](std::span<const std::size_t> part) {
        if (part.empty()) return;
        try {
            attempt(part);
        } catch (const Failure& failure) {
            if (!failure.own()) throw;
            if (part.size() == 1) {
                failures[part.front()] = failure;
                return;
            }
            descend(part.first(part.size() / 2));
            descend(part.subspan(part.size() / 2));
        }
    };
    descend(all);
    return failures;
}

}  // namespace memoir::stages
