#pragma once
// What `memoirctl doctor` looks at: everything that a start needs, a line each. A check tells what it found
// and throws nothing; it changes nothing that another program would see. Thread safety: as Context.

#include <functional>
#include <string>
#include <vector>

#include "ctl/context.hpp"

namespace memoir::ctl {

struct Finding {
    enum class Verdict {
        good,
        doubtful,     // memoird works, with less
        unavailable,  // what is needed does not answer
        wrong,        // it can never work so
    };
    std::string check;  // "database", "schema index (kind, created_at, id)"
    Verdict verdict = Verdict::good;
    std::string detail;
    std::string hint;
};
using Findings = std::vector<Finding>;

// Runs `look`, which fills in what it finds; what it throws is the finding.
Finding examined(std::string check, const std::function<void(Finding&)>& look);

void look_at_database(Context& context, Findings& findings);
void look_at_models(Context& context, Findings& findings);
void look_at_stores(Context& context, Findings& findings);  // vector index and graph
void look_at_machine(Context& context, Findings& findings);

}  // namespace memoir::ctl
