#include "ctl/doctor.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/failure.hpp"
#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/table.hpp"

namespace memoir::ctl {
namespace {

using Grade = Finding::Grade;

std::string_view name(Grade grade) {
    switch (grade) {
        case Grade::good:
            return "ok";
        case Grade::doubtful:
            return "warning";
        case Grade::unavailable:
            return "unavailable";
        case Grade::wrong:
            return "wrong";
    }
    return "";
}

Grade grade_of(FailureType type) {
    switch (type) {
        case FailureType::blocked:
        case FailureType::permanent:
            return Grade::wrong;
        default:
            return Grade::unavailable;
    }
}

Grade grade_of(const pg::Error& error) {
    switch (error.error_class()) {
        case pg::ErrorClass::permission:
        case pg::ErrorClass::schema:
        case pg::ErrorClass::read_only:
        case pg::ErrorClass::other:
            return Grade::wrong;
        default:
            return Grade::unavailable;
    }
}

Findings look_at_everything(Context& context) {
    Findings findings;
    look_at_configuration(context, findings);
    look_at_machine(context, findings);
    // What the rest would look at is what the configuration names.
    if (!context.loaded().problems.empty()) return findings;
    if (look_at_database(context, findings) && look_at_schema(context, findings))
        look_at_queue(context, findings);
    look_at_models(context, findings);
    look_at_vectors(context, findings);
    look_at_graph(context, findings);
    return findings;
}

void write(std::ostream& out, const Findings& findings) {
    std::size_t good = 0;
    for (const auto& finding : findings) {
        std::string grade(name(finding.grade));
        grade.resize(13, ' ');
        out << grade << finding.check << (finding.detail.empty() ? "" : ": ") << printable(finding.detail)
            << '\n';
        if (!finding.hint.empty()) out << "             HINT: " << printable(finding.hint) << '\n';
        if (finding.grade == Grade::good) ++good;
    }
    out << '\n' << good << " of " << findings.size() << " checks are ok\n";
}

int run(Context& context, const Arguments&) {
    const auto findings = look_at_everything(context);
    auto list = nlohmann::json::array();
    for (const auto& finding : findings)
        list.push_back({{"check", finding.check},
                        {"verdict", name(finding.grade)},
                        {"detail", finding.detail},
                        {"hint", finding.hint}});
    const auto any = [&](Grade grade) {
        return std::ranges::any_of(findings, [&](const auto& finding) { return finding.grade == grade; });
    };
    const int code = any(Grade::wrong) ? configuration : any(Grade::unavailable) ? unavailable : ok;
    context.print({{"checks", list}, {"exit_code", code}}, [&](std::ostream& out) { write(out, findings); });
    return code;
}

}  // namespace

Finding examined(std::string check, const std::function<void(Finding&)>& look) {
    Finding finding{std::move(check), Grade::good, "", ""};
    try {
        look(finding);
    } catch (const StartError& error) {
        finding = {finding.check, Grade::wrong, error.problem(), error.hint()};
    } catch (const Failure& failure) {
        finding = {finding.check, grade_of(failure.type()), failure.reason(), failure.hint};
    } catch (const pg::Error& error) {
        finding = {finding.check, grade_of(error), error.what(),
                   "check database.url, and that PostgreSQL is running"};
    }
    return finding;
}

void doubt(Finding& finding, std::string detail, std::string hint) {
    finding.grade = Grade::doubtful;
    finding.detail = std::move(detail);
    finding.hint = std::move(hint);
}

bool went_well(const Findings& findings) {
    return findings.back().grade == Grade::good || findings.back().grade == Grade::doubtful;
}

Command doctor_command() {
    Command command{
        "doctor", "", "check everything that memoird needs to start, one line each, with a HINT", {}, run};
    command.details =
        "A line is ok, a warning (memoird works, but with less), unavailable (something that is needed does "
        "not "
        "answer; exit 69) or wrong (it cannot work as it is set up; exit 78). Changes nothing that another "
        "program would see. Run it as the user that the service runs as, or as root.";
    command.rights = Rights::read;
    command.despite_problems = true;
    return command;
}

}  // namespace memoir::ctl
