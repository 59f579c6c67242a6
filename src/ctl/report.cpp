#include "ctl/report.hpp"

#include <nlohmann/json.hpp>
#include <ostream>

#include "base/failure.hpp"
#include "ctl/cli.hpp"
#include "ctl/context.hpp"

namespace memoir::ctl {
namespace {

void write(std::ostream& out, const nlohmann::json& document) {
    // A name that is no UTF-8 must not cost the whole answer.
    out << document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
}

// What the role lacks for this command, by name: the error itself has a code only. Throws StartError.
void look_for_better(const Command& command, Context& context, const pg::Error& error) {
    auto& database = context.database();
    const bool refused = error.error_class() == pg::ErrorClass::permission;
    if (command.rights == Rights::owner && refused)
        schema::require_owner(database, context.schema());
    else if (command.rights == Rights::read)
        schema::check_readable(database, context.schema());
    else if (command.rights == Rights::write)
        schema::check(database, context.schema());
}

int of_database(const Command& command, Context& context, const pg::Error& error, const Reporter& report) {
    switch (error.error_class()) {
        case pg::ErrorClass::connection:
        case pg::ErrorClass::resources:
            return report(unavailable, std::string("the database cannot be used: ") + error.what(),
                          "check that PostgreSQL is running, and that database.url names it");
        case pg::ErrorClass::transaction:
        case pg::ErrorClass::cancelled:
            return report(unavailable, error.what());
        case pg::ErrorClass::data:
            return report(usage, std::string("PostgreSQL rejects this value: ") + error.what());
        case pg::ErrorClass::permission:
        case pg::ErrorClass::schema:
        case pg::ErrorClass::read_only:
            try {
                look_for_better(command, context, error);
            } catch (const StartError& better) {
                return report(configuration, better.problem(), better.hint());
            } catch (const pg::Error&) {  // not even that: what we have is the best there is
            }
            return report(
                configuration, error.what(),
                error.error_class() == pg::ErrorClass::permission
                    ? "check the user and password in database.url, and see memoirctl schema grants ROLE"
                    : "");
        case pg::ErrorClass::other:
            break;
    }
    return report(unexpected, error.what());
}

int code_of(const Failure& failure) {
    switch (failure.type()) {
        case FailureType::outage:
        case FailureType::throttled:
        case FailureType::ambiguous:
        case FailureType::cancelled:
            return unavailable;
        case FailureType::blocked:
            return configuration;
        default:
            return unexpected;
    }
}

}  // namespace

int Reporter::operator()(int code, const std::string& text, const std::string& hint) const {
    err_ << "memoirctl: " << text << '\n';
    if (!hint.empty()) err_ << "HINT: " << hint << '\n';
    if (json_) write(out_, {{"error", text}, {"hint", hint}, {"exit_code", code}});
    return code;
}

int Reporter::operator()(const std::vector<config::Problem>& problems) const {
    auto list = nlohmann::json::array();
    for (const auto& problem : problems) {
        err_ << problem.to_string() << '\n';
        list.push_back({{"where", problem.where}, {"text", problem.text}, {"hint", problem.hint}});
    }
    if (json_)
        write(out_, {{"error", "the configuration has problems"},
                     {"hint", "memoird --check-config lists them too"},
                     {"exit_code", configuration},
                     {"problems", std::move(list)}});
    return configuration;
}

int run_reported(const Command& command, const Arguments& arguments, Context& context,
                 const Reporter& report) {
    try {
        return command.run(context, arguments);
    } catch (const Usage& error) {
        return report(usage, error.what(), "memoirctl " + std::string(command.name) + " --help");
    } catch (const NotFound& error) {
        return report(unexpected, error.what());
    } catch (const StartError& error) {
        return report(configuration, error.problem(), error.hint());
    } catch (const Failure& failure) {
        const std::string at = failure.endpoint.empty() ? "" : failure.endpoint + ": ";
        return report(code_of(failure), at + failure.reason(), failure.hint);
    } catch (const pg::Error& error) {
        return of_database(command, context, error, report);
    }
}

}  // namespace memoir::ctl
