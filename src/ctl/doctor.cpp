#include "ctl/doctor.hpp"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/failure.hpp"
#include "ctl/cli.hpp"
#include "ctl/commands.hpp"

namespace memoir::ctl {
namespace {

using Verdict = Finding::Verdict;

std::string_view name(Verdict verdict) {
    switch (verdict) {
        case Verdict::good:
            return "ok";
        case Verdict::doubtful:
            return "warning";
        case Verdict::unavailable:
            return "unavailable";
        case Verdict::wrong:
            return "wrong";
    }
    return "";
}

Verdict verdict_of(FailureType type) {
    switch (type) {
        case FailureType::blocked:
        case FailureType::permanent:
            return Verdict::wrong;
        default:
            return Verdict::unavailable;
    }
}

Verdict verdict_of(const pg::Error& error) {
    switch (error.error_class()) {
        case pg::ErrorClass::permission:
        case pg::ErrorClass::schema:
        case pg::ErrorClass::read_only:
        case pg::ErrorClass::other:
            return Verdict::wrong;
        default:
            return Verdict::unavailable;
    }
}

int run(Context& context, const Arguments& arguments) {
    if (!arguments.rest().empty()) throw Usage("doctor takes no argument");
    Findings findings;
    // Reading it is how this command began; each mistake would have been told, and the rest left.
    findings.push_back({"configuration", Verdict::good, "reads without a problem", ""});
    look_at_database(context, findings);
    look_at_models(context, findings);
    look_at_stores(context, findings);
    look_at_machine(context, findings);

    auto list = nlohmann::json::array();
    for (const auto& finding : findings)
        list.push_back({{"check", finding.check},
                        {"verdict", name(finding.verdict)},
                        {"detail", finding.detail},
                        {"hint", finding.hint}});
    const auto any = [&](Verdict verdict) {
        return std::ranges::any_of(findings, [&](const auto& finding) { return finding.verdict == verdict; });
    };
    context.print({{"checks", list}}, [&](std::ostream& out) {
        for (const auto& finding : findings) {
            std::string verdict(name(finding.verdict));
            verdict.resize(13, ' ');
            out << verdict << finding.check << (finding.detail.empty() ? "" : ": ") << finding.detail << '\n';
            if (!finding.hint.empty()) out << "             HINT: " << finding.hint << '\n';
        }
    });
    return any(Verdict::wrong) ? configuration : any(Verdict::unavailable) ? unavailable : ok;
}

}  // namespace

Finding examined(std::string check, const std::function<void(Finding&)>& look) {
    Finding finding{std::move(check), Verdict::good, "", ""};
    try {
        look(finding);
    } catch (const StartError& error) {
        finding = {finding.check, Verdict::wrong, error.problem(), error.hint()};
    } catch (const Failure& failure) {
        finding = {finding.check, verdict_of(failure.type()), failure.reason(), failure.hint};
    } catch (const pg::Error& error) {
        finding = {finding.check, verdict_of(error), error.what(),
                   "check database.url, and that PostgreSQL runs"};
    }
    return finding;
}

void look_at_machine(Context&, Findings& findings) {
    findings.push_back(examined("systemd unit", [](Finding& finding) {
        for (const char* folder :
             {"/etc/systemd/system/", "/lib/systemd/system/", "/usr/lib/systemd/system/"}) {
            std::error_code ignored;
            if (!std::filesystem::exists(std::string(folder) + "memoird.service", ignored)) continue;
            finding.detail = std::string(folder) + "memoird.service";
            return;
        }
        finding.verdict = Verdict::doubtful;
        finding.detail = "memoird.service is not installed";
        finding.hint = "install the package, or systemd/memoird.service by hand";
    }));
}

Command doctor_command() {
    return {"doctor",
            "",
            "check everything that a start needs, a line each, with a HINT",
            {},
            run,
            "A line is ok, a warning (memoird works, with less), unavailable (what is needed does not "
            "answer; exit 69) or wrong (it can never work so; exit 78). Nothing is changed that another "
            "program would see.",
            Rights::read};
}

}  // namespace memoir::ctl
