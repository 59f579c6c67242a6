#pragma once
// What the `jobs` commands share. Thread safety: functions.

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "ctl/command.hpp"
#include "ctl/context.hpp"
#include "queue/inspect.hpp"

namespace memoir::ctl {

nlohmann::json job_json(const queue::JobRow& job);
// The ID that must be the only thing beside options. Throws Usage.
std::int64_t job_id(const Arguments& arguments);
// Throws NotFound where there is no such row.
queue::JobRow need_job(Context& context, std::int64_t id);
// --kind of the jobs' kinds, and --state with the help that names its default.
Option kind_choice(std::string_view help);
Option state_choice(std::string_view help);
// --state, or `fallback`; `all` is none.
std::optional<queue::JobState> state_option(const Arguments& arguments, queue::JobState fallback);
// What a finished job was, for events: no reason, no content.
std::vector<telemetry::Field> job_fields(const queue::JobRow& job);

}  // namespace memoir::ctl
