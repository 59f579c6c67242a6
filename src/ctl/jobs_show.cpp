#include <nlohmann/json.hpp>
#include <ostream>

#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/jobs.hpp"
#include "ctl/table.hpp"

namespace memoir::ctl {
namespace {

int run(Context& context, const Arguments& arguments) {
    const auto job = need_job(context, job_id(arguments));
    context.print(job_json(job), [&](std::ostream& out) {
        out << "job       " << job.id << "\nkind      " << printable(job.kind) << "\nstate     "
            << to_string(job.state) << "\nsource    " << printable(job.source_pid) << "\nattempts  "
            << job.attempts << "\ncreated   " << job.created_at << " (" << age(job.age) << " ago)\nchanged   "
            << job.updated_at << " (" << age(job.unchanged_for) << " ago)\n";
        if (job.claimed_by) out << "held by   " << printable(*job.claimed_by) << '\n';
        if (job.due_at) out << "due       " << *job.due_at << '\n';
        if (job.failure_reason) out << "reason    " << printable(*job.failure_reason) << '\n';
    });
    return ok;
}

}  // namespace

Command jobs_show_command() {
    return {"jobs show", "ID", "show one job, without its payload", {}, run, "", Rights::read};
}

}  // namespace memoir::ctl
