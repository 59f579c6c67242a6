#include <nlohmann/json.hpp>
#include <ostream>

#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/jobs.hpp"

namespace memoir::ctl {
namespace {

int run(Context& context, const Arguments& arguments) {
    const queue::JobFilter filter{state_option(arguments, queue::JobState::pending), arguments.get("kind")};
    const auto count = queue::count_jobs(context.database(), context.schema(), filter);
    context.print({{"count", count}}, [&](std::ostream& out) { out << count << '\n'; });
    return ok;
}

}  // namespace

Command jobs_count_command() {
    return {"jobs count",
            "",
            "count jobs exactly, by default pending ones",
            {state_choice("in this state (default: pending)"), kind_choice("of this kind only")},
            run,
            "",
            Rights::read};
}

}  // namespace memoir::ctl
