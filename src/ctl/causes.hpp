#pragma once
// Failed jobs by cause: what they have in common, whether to try them again helps, and what to do first.
// Pure. Thread safety: functions.

#include <string>
#include <string_view>
#include <vector>

#include "queue/inspect.hpp"

namespace memoir::ctl {

enum class Retry {
    helps,         // once the cause is gone
    after_change,  // only with another model, limit or setting: as it is it will fail again
    never,         // what the job holds is at fault
};
std::string_view to_string(Retry retry);

struct Advice {
    Retry retry;
    std::string_view hint;
};
// Of a cause as cause_of() (base/cause.hpp) words it.
Advice advice(std::string_view cause);

struct FailedCause {
    std::string kind, cause;
    std::int64_t jobs = 0;
    std::string first, last;
    std::vector<std::string> reasons;  // failure_reason, word for word
};
// The most frequent first.
std::vector<FailedCause> by_cause(const std::vector<queue::FailedAs>& failed);

}  // namespace memoir::ctl
