#include "ctl/jobs.hpp"

#include <nlohmann/json.hpp>

#include "queue/job.hpp"

namespace memoir::ctl {

nlohmann::json job_json(const queue::JobRow& job) {
    nlohmann::json json{{"id", job.id},
                        {"source_pid", job.source_pid},
                        {"kind", job.kind},
                        {"state", queue::to_string(job.state)},
                        {"attempts", job.attempts},
                        {"failure_reason", nullptr},
                        {"claimed_by", nullptr},
                        {"created_at", job.created_at},
                        {"updated_at", job.updated_at},
                        {"age_seconds", job.age}};
    if (job.failure_reason) json["failure_reason"] = *job.failure_reason;
    if (job.claimed_by) json["claimed_by"] = *job.claimed_by;
    if (job.due_at) json["due_at"] = *job.due_at;
    if (job.suspect()) json["suspect"] = true;
    return json;
}

std::int64_t job_id(const Arguments& arguments) {
    if (arguments.rest().size() != 1) throw Usage("give the ID of one job");
    return parse_integer(arguments.rest()[0], "ID", 1);
}

queue::JobRow need_job(Context& context, std::int64_t id) {
    if (auto job = queue::find_job(context.database(), context.schema(), id)) return *std::move(job);
    throw NotFound("job " + std::to_string(id) +
                   " does not exist: it was completed, or deleted with its memory");
}

Option kind_choice(std::string_view help) {
    return {"kind", "K", help, {queue::all_kinds.begin(), queue::all_kinds.end()}};
}

Option state_choice(std::string_view help) {
    return {"state", "S", help, {"pending", "parked", "claimed", "failed", "all"}};
}

std::optional<queue::JobState> state_option(const Arguments& arguments, queue::JobState fallback) {
    const auto text = arguments.get("state");
    if (!text) return fallback;
    return queue::parse_job_state(*text);  // none for `all`, the one choice that is no state
}

std::vector<telemetry::Field> job_fields(const queue::JobRow& job) {
    return {{"job_id", job.id}, {"kind", job.kind}, {"source_pid", job.source_pid}};
}

}  // namespace memoir::ctl
