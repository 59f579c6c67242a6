// A request that every memoird of the fleet reads while one of its breakers is open.
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/failure.hpp"
#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/context.hpp"
#include "queue/probe_request.hpp"

namespace memoir::ctl {
namespace {

int run(Context& context, const Arguments& arguments) {
    if (!context.additions().settings)
        throw StartError("schema " + context.schema() + " has no table memoird_settings",
                         "memoirctl schema apply creates it");
    if (arguments.rest().size() > 1) throw Usage("give one NAME, or none for every backend");
    const auto name = arguments.rest().empty() ? std::string(queue::every_backend) : arguments.rest().front();
    context.database().exec(queue::request_probe(context.schema(), name));
    context.log().info("memoir.fleet.probe_requested", "backends that are held back are asked again at once",
                       {{"endpoint", name}});
    context.print({{"endpoint", name}}, [&](std::ostream& out) {
        out << (name == queue::every_backend ? "every backend" : name)
            << " that a host holds back is asked again within seconds\n";
    });
    return ok;
}

}  // namespace

Command backends_probe_command() {
    return {
        "backends probe",
        "[NAME]",
        "ask backends that are blocked or away again at once, on every host",
        {},
        run,
        "NAME is an endpoint as memoirctl status names it: embedding, qdrant, extraction, relational, graph. "
        "Without it all are asked. SIGHUP does the same on one host."};
}

}  // namespace memoir::ctl
