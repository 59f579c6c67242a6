#pragma once
// What `memoirctl doctor` looks at: everything that a start needs, a line each. A check tells what it found
// and throws nothing; it changes nothing that another program would see. Thread safety: as Context.

#include <functional>
#include <string>
#include <vector>

#include "ctl/context.hpp"

namespace memoir::ctl {

struct Finding {
    enum class Grade {
        good,
        doubtful,     // memoird works, with less
        unavailable,  // what is needed does not answer
        wrong,        // it can never work so
    };
    std::string check;  // "database", "schema: index (kind, created_at, id)"
    Grade grade = Grade::good;
    std::string detail;
    std::string hint;
};
using Findings = std::vector<Finding>;

// Runs `look`, which fills in what it finds; what it throws is the finding.
Finding examined(std::string check, const std::function<void(Finding&)>& look);
void doubt(Finding& finding, std::string detail, std::string hint);
// The last finding says that what follows can be looked at.
bool went_well(const Findings& findings);

void look_at_configuration(Context& context, Findings& findings);
// False: the database cannot be used, and nothing that needs it was looked at.
bool look_at_database(Context& context, Findings& findings);
// What is ours in the schema. False: the schema cannot be used.
bool look_at_schema(Context& context, Findings& findings);
void look_at_queue(Context& context, Findings& findings);  // and at the fleet
void look_at_models(Context& context, Findings& findings);
void look_at_vectors(Context& context, Findings& findings);
void look_at_graph(Context& context, Findings& findings);
void look_at_machine(Context& context, Findings& findings);

}  // namespace memoir::ctl
