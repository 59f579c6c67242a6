#include "queue/job_state.hpp"

namespace memoir::queue {

std::string_view to_string(JobState state) {
    switch (state) {
        case JobState::pending:
            return "pending";
        case JobState::parked:
            return "parked";
        case JobState::claimed:
            return "claimed";
        case JobState::failed:
            return "failed";
    }
    return "unknown";
}

std::optional<JobState> parse_job_state(std::string_view text) {
    for (const auto state : {JobState::pending, JobState::parked, JobState::claimed, JobState::failed})
        if (text == to_string(state)) return state;
    return std::nullopt;
}

std::string in_state(std::optional<JobState> state) {
    if (!state) return "true";
    switch (*state) {
        case JobState::pending:
            return "j.state = 'pending'";
        case JobState::parked:
            return "j.state = 'claimed' and j.claimed_by = 'parked'";
        case JobState::claimed:
            return "j.state = 'claimed' and j.claimed_by is distinct from 'parked'";
        case JobState::failed:
            return "j.state = 'failed'";
    }
    return "true";
}

}  // namespace memoir::queue
