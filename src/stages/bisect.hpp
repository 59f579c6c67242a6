#pragma once
// Finding the culprits of a batch: a failure of a job's own (Failure::own) divides the batch until each
// culprit is alone; what is not a job's own ends it for all. Thread safety: function.

#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/failure.hpp"
#include "endpoint/blame.hpp"
#include "work/members.hpp"

namespace memoir::stages {

// Calls `attempt` with subsets of 0 … count-1 until each was in one that succeeded or failed alone. Returns
// the failures; nullopt: succeeded. A failure that is no job's own is thrown on. A batch that fails as a
// whole is first tried in as many parts as show an endpoint that it refuses everybody; then halves find the
// culprits.
inline std::vector<std::optional<Failure>> bisect(
    std::size_t count, const std::function<void(std::span<const std::size_t>)>& attempt) {
    using Part = work::Members;
    std::vector<std::optional<Failure>> failures(count);
    std::vector<std::size_t> all(count);
    for (std::size_t member = 0; member < count; ++member) all[member] = member;
    std::vector<Part> failed;
    const auto tried = [&](Part part) {
        try {
            attempt(part);
        } catch (const Failure& failure) {
            if (!failure.own()) throw;
            if (part.size() > 1)
                failed.push_back(part);
            else
                failures[part.front()] = failure;
        }
    };
    if (count > 0) tried(all);
    std::size_t pieces = endpoint::alike_jobs;
    while (!failed.empty())
        for (const auto part : std::exchange(failed, {})) {
            for (const auto piece : work::divided(part, pieces)) tried(piece);
            pieces = 2;
        }
    return failures;
}

}  // namespace memoir::stages
