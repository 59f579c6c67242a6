#include <nlohmann/json.hpp>
#include <ostream>

#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/context.hpp"

namespace memoir::ctl {
namespace {

int run(Context& context, const Arguments& arguments) {
    if (arguments.rest().size() != 1) throw Usage("give the name of one ROLE");
    const auto lines =
        schema::grants(context.schema(), arguments.rest()[0],
                       arguments.has("read-only") ? schema::For::reading : schema::For::daemon);
    context.print({{"grants", lines}}, [&](std::ostream& out) {
        for (const auto& line : lines) out << line << ";\n";
    });
    return ok;
}

}  // namespace

Command schema_grants_command() {
    return {"schema grants",
            "ROLE",
            "print the GRANT statements that the daemon's role needs",
            {{"read-only", "", "only what is needed for looking: status, jobs list, search"}},
            run,
            "Run them as the owner of the schema: `memoirctl schema grants memoird | psql`."};
}

}  // namespace memoir::ctl
