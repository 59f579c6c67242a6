#pragma once
// How deep the queue is, by kind and state: one statement, cheap however large the queue, for status, metrics
// and the unit's STATUS line. Owns nothing. Thread safety: functions. Failures: none; who sends the statement
// meets pg::Error.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pg/connection.hpp"
#include "queue/job_state.hpp"

namespace memoir::queue {

// Counts are exact up to `cap`; a row beyond it makes them cap.
struct Depth {
    std::string kind;
    std::int64_t pending = 0, parked = 0, claimed = 0, failed = 0;
    bool capped = false;             // there are more of one of the four
    std::optional<double> oldest{};  // age of the oldest pending row
    std::array<bool, 4> beyond{};    // by JobState: there are more

    std::int64_t count(JobState state) const;
    bool more(JobState state) const { return beyond.at(static_cast<std::size_t>(state)); }
};
// `indexed`: our indexes over pending and failed rows are there, and counting stops at the cap. Without them
// the table is read once.
inline constexpr std::int64_t depth_cap = 10'000;
pg::Statement depth_statement(const std::string& schema, bool indexed, std::int64_t cap = depth_cap);
std::vector<Depth> read_depths(const pg::Result& result, std::int64_t cap = depth_cap);

}  // namespace memoir::queue
