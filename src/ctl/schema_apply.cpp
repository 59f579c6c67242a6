#include <nlohmann/json.hpp>
#include <ostream>

#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/context.hpp"

namespace memoir::ctl {
namespace {

using Change = void (*)(pg::Connection&, const std::string&, const schema::ApplyOptions&,
                        const std::function<void(const std::string&)>&);

int run_change(Context& context, const Arguments& arguments, Change change, telemetry::Level level,
               std::string_view event, const char* message) {
    schema::ApplyOptions options;
    options.dry_run = arguments.has("dry-run");
    options.notify = !arguments.has("no-notify");
    std::vector<std::string> steps;
    change(context.database(), context.schema(), options, [&](const std::string& step) {
        steps.push_back(step);
        // As it happens: an index on a long queue takes its time.
        if (!context.json()) context.out() << step << std::endl;
    });
    if (!options.dry_run && !steps.empty())
        context.log().emit(
            {level,
             event,
             message,
             {{"schema", context.schema()}, {"steps", static_cast<std::int64_t>(steps.size())}}});
    context.print({{"schema", context.schema()}, {"dry_run", options.dry_run}, {"steps", steps}},
                  [&](std::ostream& out) {
                      if (steps.empty()) out << "nothing to do\n";
                  });
    return ok;
}

int apply(Context& context, const Arguments& arguments) {
    return run_change(context, arguments, schema::apply, telemetry::Level::info, "memoir.schema.applied",
                      "missing parts of the schema were created");
}

int remove(Context& context, const Arguments& arguments) {
    return run_change(context, arguments, schema::remove, telemetry::Level::warning, "memoir.schema.removed",
                      "memoird's additions to the schema were removed");
}

}  // namespace

Command schema_apply_command() {
    return {
        "schema apply",
        "",
        "create what is missing: the schema itself, and memoird's additions to it",
        {{"dry-run", "", "only print the SQL"},
         {"no-notify", "", "without the insert trigger, which serializes the commits of all writers"}},
        apply,
        "Builds indexes concurrently and drops what an interrupted build left behind; no step waits longer "
        "than 5 s for a lock. Needs the privilege to create in the schema, which the daemon itself does not "
        "need.",
        Rights::owner};
}

Command schema_remove_command() {
    return {"schema remove",
            "",
            "remove memoird's additions: its tables with their rows, its indexes, its trigger",
            {{"dry-run", "", "only print the SQL"}},
            remove,
            "",
            Rights::owner};
}

}  // namespace memoir::ctl
