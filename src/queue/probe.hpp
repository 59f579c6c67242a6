#pragma once
// Looking for work without taking it. Thread safety: pure functions.

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pg/connection.hpp"
#include "queue/job.hpp"

namespace memoir::queue {

// The first pending rows of these kinds, from the start: late commits, clock steps, retried and recovered
// rows are seen here. One statement whatever the number of kinds.
struct First {
    std::string kind;
    std::optional<Position> ordinary;  // the first row that is no suspect
    bool suspect = false;              // one stands among the first rows
};
// `pauses`: the table memoird_pauses is there and is read along.
pg::Statement first_pending(const std::string& schema, std::span<const std::string> kinds, bool pauses,
                            bool indexed);
struct Look {
    std::vector<First> first;
    std::vector<std::string> paused;  // kinds; `*` is all
};
Look look_result(const pg::Result& result);

// What is left for --until-idle: rows of these kinds that are pending, parked, or claimed by this process.
struct Remaining {
    bool pending = false, parked = false, ours = false;
    std::map<std::string, bool> kinds;  // with a pending or parked row
    bool none() const { return !pending && !parked && !ours; }
};
pg::Statement remaining(const std::string& schema, std::span<const std::string> kinds,
                        const std::string& process);
Remaining remaining_result(const pg::Result& result);

}  // namespace memoir::queue
