#include <nlohmann/json.hpp>
#include <ostream>

#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/jobs.hpp"
#include "queue/edit.hpp"

namespace memoir::ctl {
namespace {

int retry_all(Context& context, const Arguments& arguments) {
    const auto kind = arguments.get("kind");
    const bool dry_run = arguments.has("dry-run");
    const auto count = queue::retry_all(context.database(), context.schema(), kind, dry_run);
    if (!dry_run)
        context.log().info("memoir.admin.bulk_retry", "failed jobs were given back to the queue",
                           {{"count", count}, {"kind", kind.value_or("*")}});
    context.print({{"count", count}, {"dry_run", dry_run}}, [&](std::ostream& out) {
        out << (dry_run ? "would retry " : "retried ") << count << (count == 1 ? " job\n" : " jobs\n");
    });
    return ok;
}

int run(Context& context, const Arguments& arguments) {
    if (arguments.has("all")) {
        if (!arguments.rest().empty()) throw Usage("give an ID or --all, not both");
        return retry_all(context, arguments);
    }
    if (arguments.has("kind") || arguments.has("dry-run")) throw Usage("--kind and --dry-run go with --all");
    const auto id = job_id(arguments);
    const auto job = queue::retry_job(context.database(), context.schema(), id);
    if (!job)
        throw NotFound("job " + std::to_string(id) + " is " +
                       std::string(to_string(need_job(context, id).state)) +
                       ": only failed jobs are retried");
    context.log().info("memoir.admin.retry_succeeded", "a failed job was given back to the queue",
                       job_fields(*job));
    context.print(job_json(*job), [&](std::ostream& out) { out << "job " << id << " is pending again\n"; });
    return ok;
}

}  // namespace

Command jobs_retry_command() {
    return {"jobs retry",
            "[ID]",
            "return failed jobs to their place in the queue, with no attempts counted",
            {{"all", "", "all failed jobs instead of one ID"},
             kind_choice("with --all: of this kind only"),
             {"dry-run", "", "with --all: only count"}},
            run,
            "Only failed jobs can be retried."};
}

}  // namespace memoir::ctl
