#include <nlohmann/json.hpp>
#include <ostream>
#include <thread>

#include "base/cause.hpp"
#include "ctl/causes.hpp"
#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/jobs.hpp"
#include "queue/edit.hpp"

namespace memoir::ctl {
namespace {

// Failed again while the retry goes on.
constexpr std::int64_t too_many = 5;

int retry_all(Context& context, const Arguments& arguments) {
    const auto kind = arguments.get("kind");
    const bool dry_run = arguments.has("dry-run");
    const auto count = queue::retry_all(context.database(), context.schema(), {.kind = kind}, dry_run);
    if (!dry_run)
        context.log().info("memoir.admin.bulk_retry", "failed jobs were given back to the queue",
                           {{"count", count}, {"kind", kind.value_or("*")}});
    context.print({{"count", count}, {"dry_run", dry_run}}, [&](std::ostream& out) {
        out << (dry_run ? "would retry " : "retried ") << count << (count == 1 ? " job\n" : " jobs\n");
    });
    return ok;
}

void report(Context& context, std::int64_t count, bool dry_run, const std::string& cause) {
    context.print({{"count", count}, {"dry_run", dry_run}, {"cause", cause}}, [&](std::ostream& out) {
        out << (dry_run ? "would retry " : "retried ") << count << (count == 1 ? " job\n" : " jobs\n");
    });
}

// In small portions, and only as long as they do not fail again: a queue that was mended shows it with the
// first ones, and one that was not is not sent through its model once more.
int retry_cause(Context& context, const Arguments& arguments) {
    const auto wanted = cause_of(arguments.get("cause").value_or(""));
    const auto kind = arguments.get("kind");
    queue::Failed which{kind, std::vector<std::string>()};
    std::int64_t jobs = 0;
    for (auto& each : by_cause(queue::failed_by_reason(context.database(), context.schema(), kind))) {
        if (each.cause != wanted) continue;
        jobs += each.jobs;
        which.reasons->insert(which.reasons->end(), each.reasons.begin(), each.reasons.end());
    }
    if (jobs == 0)
        throw NotFound("no failed job has this cause\nHINT: memoirctl jobs list --by-cause shows the causes");
    if (arguments.has("dry-run")) return report(context, jobs, true, wanted), ok;
    const auto rate = arguments.integer("per-second", 100, 1);
    const auto begun = queue::retry_begins(context.database());
    std::int64_t retried = 0;
    bool again = false;
    for (;;) {
        const auto some = queue::retry_some(context.database(), context.schema(), which, begun, rate);
        retried += some;
        if (some < rate) break;
        std::this_thread::sleep_for(std::chrono::seconds(1));
        again = queue::failed_since(context.database(), context.schema(), which, begun, too_many) == too_many;
        if (again) break;
    }
    context.log().info("memoir.admin.bulk_retry", "failed jobs were given back to the queue",
                       {{"count", retried}, {"kind", kind.value_or("*")}, {"reason", wanted}});
    report(context, retried, false, wanted);
    if (again)
        throw std::runtime_error("stopped: the jobs fail again for the same cause\nHINT: " +
                                 std::string(advice(wanted).hint));
    return ok;
}

int run(Context& context, const Arguments& arguments) {
    if (arguments.has("cause")) {
        if (!arguments.rest().empty() || arguments.has("all")) throw Usage("give an ID, --all or --cause");
        return retry_cause(context, arguments);
    }
    if (arguments.has("per-second")) throw Usage("--per-second goes with --cause");
    if (arguments.has("all")) {
        if (!arguments.rest().empty()) throw Usage("give an ID or --all, not both");
        return retry_all(context, arguments);
    }
    if (arguments.has("kind") || arguments.has("dry-run"))
        throw Usage("--kind and --dry-run go with --all or --cause");
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
             {"cause", "CAUSE", "all jobs that failed for this cause, as jobs list --by-cause shows it"},
             kind_choice("with --all or --cause: of this kind only"),
             {"per-second", "N", "with --cause: at most N per second (default 100)"},
             {"dry-run", "", "with --all or --cause: only count"}},
            run,
            "Only failed jobs can be retried. A retry by cause stops when the jobs start to fail again."};
}

}  // namespace memoir::ctl
