#include "ctl/cli.hpp"

#include <algorithm>
#include <ostream>

#include "ctl/command.hpp"
#include "ctl/context.hpp"
#include "ctl/report.hpp"
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
        throw Usage(std::string(command.name) + " takes no argument " + line.rest[0]);
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

// Before anything is understood: how mistakes are to be told.
bool asks_for_json(const std::vector<std::string>& arguments) {
    const auto end = std::ranges::find(arguments, "--");
    return std::find(arguments.begin(), end, "--json") != end;
}

int load_and_run(const Command& command, const CommandLine& line, std::ostream& out, std::ostream& err,
                 const Reporter& report) {
    const auto arguments = arguments_of(line, command);
    config::Sources sources;
    sources.file_required = line.has("config");
    sources.file = line.get("config", config::default_file);
    sources.sets = line.all("set");
    // Run by root beside the service, it finds what systemd hands over; others do without the models' keys.
    sources.credentials_directory = "/run/credentials/memoird.service";
    sources.lenient_secrets = true;
    const auto loaded = config::load(sources);
    if (!loaded.problems.empty() && !command.despite_problems) return report(loaded.problems);
    // Of the file as a whole: nothing that it says holds.
    for (const auto& warning : loaded.warnings)
        if (warning.where == sources.file && !command.despite_problems) err << warning.to_string() << '\n';
    const auto log = telemetry::open_log(loaded.config.log, "memoirctl");
    Context context(loaded, line.has("json"), out, *log);
    return run_reported(command, arguments, context, report);
}

int print_version(std::ostream& out, bool json) {
    if (json)
        out << "{\"program\": \"memoirctl\", \"version\": \"" MEMOIRD_VERSION "\"}\n";
    else
        out << "memoirctl " MEMOIRD_VERSION "\n";
    return ok;
}

int run_any(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
    const Reporter report(out, err, asks_for_json(arguments));
    const Command* command = nullptr;
    try {
        const auto found = find_command(arguments);
        command = found.command;
        const auto line = parse(found.arguments, command);
        if (line.has("version")) return print_version(out, line.has("json"));
        if (line.has("help")) {
            print_help(out, command);
            return ok;
        }
        if (!command) {
            if (found.words.empty()) return report(usage, "no command given", "memoirctl --help");
            return report(usage, "unknown command " + found.words[0], "memoirctl --help lists them");
        }
        return load_and_run(*command, line, out, err, report);
    } catch (const Usage& error) {
        return report(usage, error.what(),
                      "memoirctl " + (command ? std::string(command->name) + " " : "") + "--help");
    } catch (const std::exception& error) {
        return report(unexpected, error.what());
    }
}

}  // namespace

int run(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
    const int code = run_any(arguments, out, err);
    out.flush();
    if (out || code != ok) return code;
    // What was asked for is done, but whoever asked has not seen it: a full disk, a closed pipe.
    err << "memoirctl: the output could not be written\n";
    return unexpected;
}

}  // namespace memoir::ctl
