#include <nlohmann/json.hpp>
#include <ostream>

#include "ctl/causes.hpp"
#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/jobs.hpp"
#include "ctl/table.hpp"

namespace memoir::ctl {
namespace {

int list_causes(Context& context, const Arguments& arguments) {
    if (arguments.has("state")) throw Usage("--by-cause is about failed jobs: it goes without --state");
    auto causes =
        by_cause(queue::failed_by_reason(context.database(), context.schema(), arguments.get("kind")));
    const auto most = static_cast<std::size_t>(arguments.integer("limit", 50, 1));
    if (causes.size() > most) causes.resize(most);
    auto json = nlohmann::json::array();
    Table table({{"JOBS", Table::Align::right}, {"KIND"}, {"FIRST"}, {"LAST"}, {"RETRY"}, {"CAUSE"}});
    for (const auto& cause : causes) {
        const auto advised = advice(cause.cause);
        json.push_back({{"kind", cause.kind},
                        {"cause", cause.cause},
                        {"jobs", cause.jobs},
                        {"first", cause.first},
                        {"last", cause.last},
                        {"retry", std::string(to_string(advised.retry))},
                        {"hint", std::string(advised.hint)}});
        table.add({std::to_string(cause.jobs), cause.kind, cause.first, cause.last,
                   std::string(to_string(advised.retry)), cause.cause});
    }
    context.print({{"causes", std::move(json)}}, [&](std::ostream& out) {
        if (causes.empty()) {
            out << "no failed jobs\n";
            return;
        }
        out << table;
        for (const auto& cause : causes)
            out << "HINT: " << cause.cause << ": " << advice(cause.cause).hint << '\n';
    });
    return ok;
}

int run(Context& context, const Arguments& arguments) {
    if (arguments.has("by-cause")) return list_causes(context, arguments);
    const queue::JobFilter filter{state_option(arguments, queue::JobState::failed), arguments.get("kind"),
                                  static_cast<int>(arguments.integer("limit", 50, 1))};
    const auto jobs = queue::list_jobs(context.database(), context.schema(), filter);
    auto json = nlohmann::json::array();
    Table table({{"ID", Table::Align::right},
                 {"KIND"},
                 {"STATE"},
                 {"ATTEMPTS", Table::Align::right},
                 {"AGE", Table::Align::right},
                 {"CHANGED", Table::Align::right},
                 {"SOURCE"},
                 {"REASON"}});
    for (const auto& job : jobs) {
        json.push_back(job_json(job));
        table.add({std::to_string(job.id), job.kind, std::string(to_string(job.state)),
                   std::to_string(job.attempts), age(job.age), age(job.unchanged_for), job.source_pid,
                   job.failure_reason.value_or("")});
    }
    context.print({{"jobs", std::move(json)}}, [&](std::ostream& out) {
        if (jobs.empty())
            out << "no " << (filter.state ? std::string(to_string(*filter.state)) + " " : "") << "jobs\n";
        else
            out << table;
    });
    return ok;
}

}  // namespace

Command jobs_list_command() {
    return {
        "jobs list",
        "",
        "list jobs, by default failed ones",
        {state_choice("in this state (default: failed)"),
         kind_choice("of this kind only"),
         {"limit", "N", "at most N (default 50)"},
         {"by-cause", "", "count failed jobs by cause, with advice"}},
        run,
        "The newest failed jobs come first. A reason consists of codes and memoird's own words: no command "
        "shows memory content. A cause is a reason without its numbers. With --by-cause, RETRY says whether "
        "another try can help; memoirctl jobs retry --cause CAUSE returns the jobs of one cause to the queue.",
        Rights::read};
}

}  // namespace memoir::ctl
