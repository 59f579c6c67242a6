#include "ctl/cli.hpp"

#include <algorithm>
#include <functional>
#include <ostream>

#include "base/failure.hpp"
#include "ctl/command.hpp"
#include "ctl/context.hpp"
#include "telemetry/open_log.hpp"

namespace memoir::ctl {
namespace {

using config::CommandLine;

// Does `argument` take the next one as its value, whatever the command?
bool has_shared_value(const std::string& argument) {
    return std::ranges::any_of(shared_options(), [&](const Option& option) {
        return !option.value.empty() && (argument == "--" + std::string(option.name) ||
                                         (option.letter && argument == std::string("-") + option.letter));
    });
}

// The command's words are the first ones that are neither options nor the values of shared options.
struct Found {
    const Command* command = nullptr;
    std::vector<std::string> words;      // what stood where a command should
    std::vector<std::string> arguments;  // without the command's words
};
Found find_command(const std::vector<std::string>& arguments) {
    Found found;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < arguments.size() && places.size() < 2; ++i) {
        const auto& argument = arguments[i];
        if (argument == "--") break;
        if (has_shared_value(argument))
            ++i;
        else if (!argument.starts_with('-'))
            places.push_back(i);
        else if (!places.empty())
            break;  // an option of the command: its value is no command word
    }
    for (const auto place : places) found.words.push_back(arguments[place]);
    std::size_t used = 0;
    for (auto count = places.size(); count > 0 && !found.command; --count) {
        std::string name = found.words[0];
        if (count == 2) name += " " + found.words[1];
        for (const auto& command : commands())
            if (command.name == name) found.command = &command, used = count;
    }
    for (std::size_t i = 0; i < arguments.size(); ++i)
        if (std::find(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(used), i) ==
            places.begin() + static_cast<std::ptrdiff_t>(used))
            found.arguments.push_back(arguments[i]);
    return found;
}

CommandLine parse(const std::vector<std::string>& arguments, const Command* command) {
    auto options = shared_options();
    if (command) options.insert(options.end(), command->options.begin(), command->options.end());
    return config::parse_command_line(arguments, options);
}

Arguments arguments_of(const CommandLine& line, const Command& command) {
    std::map<std::string, std::string> values;
    for (const auto& option : command.options) {
        const std::string name(option.name);
        if (line.has(name)) values[name] = line.get(name, "");
    }
    if (command.rest.empty() && !line.rest.empty())
        throw Usage(std::string(command.name) + " takes no " + line.rest[0]);
    return {std::move(values), line.rest};
}

void print_help(std::ostream& out, const Command* command) {
    if (command) {
        out << "usage: memoirctl " << command->synopsis() << "\n\n" << command->summary << "\n\n";
        config::print_options(out, command->options);
    } else {
        out << "usage: memoirctl COMMAND [OPTIONS]\n\n";
        for (const auto& each : commands()) {
            std::string name = "  " + std::string(each.name);
            name.resize(20, ' ');
            out << name << each.summary << '\n';
        }
        out << "\nFor every command:\n";
    }
    config::print_options(out, shared_options());
}

int report(std::ostream& err, int code, const std::string& text, const std::string& hint) {
    err << "memoirctl: " << text << '\n';
    if (!hint.empty()) err << "HINT: " << hint << '\n';
    return code;
}

int report(std::ostream& err, Context& context, const pg::Error& error) {
    switch (error.error_class()) {
        case pg::ErrorClass::connection:
        case pg::ErrorClass::resources:
            return report(err, unavailable, std::string("the database cannot be used: ") + error.what(),
                          "is PostgreSQL running, and does database.url name it?");
        case pg::ErrorClass::transaction:
        case pg::ErrorClass::cancelled:
            return report(err, unavailable, error.what(), "");
        case pg::ErrorClass::data:
            return report(err, usage, std::string("PostgreSQL does not take this value: ") + error.what(),
                          "");
        case pg::ErrorClass::permission:
        case pg::ErrorClass::schema:
        case pg::ErrorClass::read_only:
            // check() names the column or the privilege; the error alone names a code.
            try {
                schema::check(context.database(), context.schema());
            } catch (const StartError& better) {
                return report(err, configuration, better.problem(), better.hint());
            } catch (const pg::Error&) {  // not even that: what we have is the best there is
            }
            return report(
                err, configuration, error.what(),
                error.error_class() == pg::ErrorClass::permission
                    ? "look at user and password in database.url, and at memoirctl schema grants ROLE"
                    : "");
        case pg::ErrorClass::other:
            break;
    }
    return report(err, unexpected, error.what(), "");
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

int run_command(const Command& command, const Arguments& arguments, Context& context, std::ostream& err) {
    try {
        return command.run(context, arguments);
    } catch (const Usage& error) {
        return report(err, usage, error.what(), "memoirctl " + std::string(command.name) + " --help");
    } catch (const NotFound& error) {
        return report(err, unexpected, error.what(), "");
    } catch (const StartError& error) {
        return report(err, configuration, error.problem(), error.hint());
    } catch (const Failure& failure) {
        const std::string at = failure.endpoint.empty() ? "" : failure.endpoint + ": ";
        return report(err, code_of(failure), at + failure.reason(), failure.hint);
    } catch (const pg::Error& error) {
        return report(err, context, error);
    }
}

int load_and_run(const Command& command, const CommandLine& line, std::ostream& out, std::ostream& err) {
    const auto arguments = arguments_of(line, command);
    config::Sources sources;
    sources.file_required = line.has("config");
    sources.file = line.get("config", config::default_file);
    sources.sets = line.all("set");
    const auto loaded = config::load(sources);
    if (!loaded.problems.empty()) {
        for (const auto& problem : loaded.problems) err << problem.to_string() << '\n';
        return configuration;
    }
    const auto log = telemetry::open_log(loaded.config.log, "memoirctl");
    Context context(loaded.config, line.has("json"), out, *log);
    return run_command(command, arguments, context, err);
}

}  // namespace

int run(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
    try {
        const auto found = find_command(arguments);
        const auto line = parse(found.arguments, found.command);
        if (line.has("version")) {
            out << "memoirctl " << MEMOIRD_VERSION << '\n';
            return ok;
        }
        if (line.has("help")) {
            print_help(out, found.command);
            return ok;
        }
        if (!found.command) {
            if (found.words.empty()) return report(err, usage, "no command given", "memoirctl --help");
            return report(err, usage, "there is no command " + found.words[0], "memoirctl --help lists them");
        }
        return load_and_run(*found.command, line, out, err);
    } catch (const Usage& error) {
        return report(err, usage, error.what(), "memoirctl --help");
    } catch (const std::exception& error) {
        return report(err, unexpected, error.what(), "");
    }
}

}  // namespace memoir::ctl
