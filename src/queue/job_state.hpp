#pragma once
// The states of a job as an operator sees them: those of the column, and `parked`, which is a claim that
// waits for its time. Owns nothing. Thread safety: functions. Failures: none.

#include <optional>
#include <string>
#include <string_view>

namespace memoir::queue {

enum class JobState { pending, parked, claimed, failed };  // parked: claimed by exactly `parked`
std::string_view to_string(JobState state);
std::optional<JobState> parse_job_state(std::string_view text);

// The SQL condition for a row `j` in this state; none: for every row.
std::string in_state(std::optional<JobState> state);

}  // namespace memoir::queue
