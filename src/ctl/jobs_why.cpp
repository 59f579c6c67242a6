#include <nlohmann/json.hpp>
#include <ostream>

#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/fleet.hpp"
#include "ctl/jobs.hpp"
#include "ctl/table.hpp"
#include "ctl/why.hpp"

namespace memoir::ctl {
namespace {

int run(Context& context, const Arguments& arguments) {
    WhyFacts facts;
    facts.job = need_job(context, job_id(arguments));
    if (facts.job.state == queue::JobState::pending)
        facts.ahead = queue::ahead_of(context.database(), context.schema(), facts.job);
    facts.siblings = queue::siblings(context.database(), context.schema(), facts.job);
    facts.pauses = read_pauses(context);
    facts.hosts = read_hosts(context);
    facts.lease = context.config().worker.lease;
    facts.foreign_lease = context.config().worker.foreign_lease;

    const auto reasons = explain(facts);
    auto json = nlohmann::json::array();
    for (const auto& reason : reasons) json.push_back({{"code", reason.code}, {"text", reason.text}});
    context.print({{"job", job_json(facts.job)}, {"reasons", std::move(json)}}, [&](std::ostream& out) {
        out << "job " << facts.job.id << ", " << printable(facts.job.kind) << ", "
            << to_string(facts.job.state) << '\n';
        for (const auto& reason : reasons) out << "  " << printable(reason.text) << '\n';
    });
    return ok;
}

}  // namespace

Command jobs_why_command() {
    return {
        "jobs why",
        "ID",
        "say why a job is where it is",
        {},
        run,
        "Tells whether it is waiting for a lane, until when it is parked, which process holds it and when "
        "the "
        "lease expires, which failed sibling or pause holds it up, and whether a live host serves its kind.",
        Rights::read};
}

}  // namespace memoir::ctl
