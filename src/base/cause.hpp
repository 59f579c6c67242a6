#pragma once
// What a reason for a failure says once its numbers are left out: jobs that failed "HTTP 400" and those of
// "exceeded its deadline of 60 s" are counted by cause. Thread safety: function.

#include <string>
#include <string_view>

namespace memoir {

// Each word with a digit in it becomes N, but for the status or code that names the cause: "HTTP 400",
// "postgres: 22021 (…)". How often it came ("…, 3 times in a row") and who had the job ("holder died: …") are
// left out.
std::string cause_of(std::string_view reason);

}  // namespace memoir
