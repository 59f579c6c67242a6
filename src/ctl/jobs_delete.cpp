#include <nlohmann/json.hpp>
#include <ostream>

#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/jobs.hpp"
#include "queue/edit.hpp"

namespace memoir::ctl {
namespace {

int run(Context& context, const Arguments& arguments) {
    const auto id = job_id(arguments);
    // A host that leaves the graph kinds alone does so for others of its fleet that have a graph.
    const bool graph = context.config().graph.has_value() || context.config().worker.leave_graph_absent;
    const auto deleted = queue::delete_job(context.database(), context.schema(), id, graph);
    if (!deleted)
        throw NotFound("job " + std::to_string(id) + " is " +
                       std::string(to_string(need_job(context, id).state)) +
                       ": only failed jobs are deleted");
    auto fields = job_fields(deleted->job);
    fields.push_back({"synthesize_enqueued", deleted->synthesize_enqueued});
    context.log().info("memoir.admin.delete_failed", "a failed job was deleted", std::move(fields));
    auto json = job_json(deleted->job);
    json["synthesize_enqueued"] = deleted->synthesize_enqueued;
    context.print(json, [&](std::ostream& out) {
        out << "job " << id << " was deleted\n";
        if (deleted->synthesize_enqueued)
            out << "it was the last extraction job of its source: a synthesize job was enqueued\n";
    });
    return ok;
}

}  // namespace

Command jobs_delete_command() {
    return {
        "jobs delete",
        "ID",
        "delete one failed job: its work stays undone",
        {},
        run,
        "Deleting the last extraction job of a source lets its synthesize job be enqueued, as completing it "
        "would; deleting a synthesize job deletes its staged triples."};
}

}  // namespace memoir::ctl
