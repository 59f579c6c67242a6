#include <nlohmann/json.hpp>
#include <ostream>

#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/jobs.hpp"
#include "ctl/table.hpp"

namespace memoir::ctl {
namespace {

int run(Context& context, const Arguments& arguments) {
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
         {"limit", "N", "at most N (default 50)"}},
        run,
        "The newest failed jobs come first. A reason consists of codes and memoird's own words: no command "
        "shows memory content.",
        Rights::read};
}

}  // namespace memoir::ctl
