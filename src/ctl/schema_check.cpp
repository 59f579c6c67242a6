#include <nlohmann/json.hpp>
#include <ostream>

#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/context.hpp"

namespace memoir::ctl {
namespace {

int run(Context& context, const Arguments&) {
    const auto additions = schema::check(context.database(), context.schema());
    const auto advice = schema::advice(additions);
    context.print({{"schema", context.schema()}, {"complete", true}, {"advice", advice}},
                  [&](std::ostream& out) {
                      out << "schema " << context.schema() << " matches the contract\n";
                      for (const auto& line : advice) out << line << '\n';
                      if (!advice.empty()) out << "HINT: memoirctl schema apply\n";
                  });
    return ok;
}

}  // namespace

Command schema_check_command() {
    return {"schema check", "", "compare the schema and this role's privileges with the contract", {}, run};
}

}  // namespace memoir::ctl
