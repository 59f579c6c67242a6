#include "ctl/cli.hpp"

#include <algorithm>
#include <boost/program_options.hpp>
#include <functional>
#include <ostream>

#include "base/failure.hpp"
#include "ctl/command.hpp"
#include "ctl/context.hpp"
#include "telemetry/open_log.hpp"

namespace memoir::ctl {
namespace {

namespace po = boost::program_options;

constexpr const char* default_config = "/etc/memoird/memoird.toml";
constexpr const char* rest_name = "\x01rest";  // no option that can be typed

constexpr Option shared_options[]{
    {"config", "FILE", "the daemon's configuration (default /etc/memoird/memoird.toml)"},
    {"set", "KEY=VALUE", "overrides one key of it; repeatable"},
    {"json", "", "answer as JSON"},
    {"help", "", "what the command does"},
    {"version", "", "print the version"},
};

void add(po::options_description& description, const Option& option) {
    const std::string name(option.name);
    const std::string help(option.help);
    const std::string spelled = name == "config" ? "config,c" : name == "help" ? "help,h" : name;
    if (option.value.empty())
        description.add_options()(spelled.c_str(), help.c_str());
    else if (name == "set")
        description.add_options()(spelled.c_str(), po::value<std::vector<std::string>>(), help.c_str());
    else
        description.add_options()(spelled.c_str(), po::value<std::string>(), help.c_str());
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
        if (argument == "-c" || argument == "--config" || argument == "--set")
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

po::variables_map parse(const std::vector<std::string>& arguments, const Command* command) {
    po::options_description options;
    for (const auto& option : shared_options) add(options, option);
    if (command)
        for (const auto& option : command->options) add(options, option);
    options.add_options()(rest_name, po::value<std::vector<std::string>>());
    po::positional_options_description rest;
    rest.add(rest_name, -1);
    // Abbreviated names would change their meaning with every option that is added.
    const int style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
    po::variables_map map;
    po::store(po::command_line_parser(arguments).options(options).positional(rest).style(style).run(), map);
    return map;
}

Arguments arguments_of(const po::variables_map& map, const Command& command) {
    std::map<std::string, std::string> values;
    for (const auto& option : command.options) {
        const std::string name(option.name);
        if (map.count(name)) values[name] = option.value.empty() ? "" : map[name].as<std::string>();
    }
    std::vector<std::string> rest;
    if (map.count(rest_name)) rest = map[rest_name].as<std::vector<std::string>>();
    if (command.rest.empty() && !rest.empty())
        throw Usage(std::string(command.name) + " takes no " + rest[0]);
    return {std::move(values), std::move(rest)};
}

void print_options(std::ostream& out, const std::vector<Option>& options) {
    for (const auto& option : options) {
        std::string name = "  --" + std::string(option.name);
        if (!option.value.empty()) name += " " + std::string(option.value);
        if (option.name == "config") name += ", -c";
        name.resize(std::max<std::size_t>(name.size() + 1, 26), ' ');
        out << name << option.help << '\n';
    }
}

void print_help(std::ostream& out, const Command* command) {
    if (command) {
        out << "usage: memoirctl " << command->synopsis() << "\n\n" << command->summary << "\n\n";
        print_options(out, command->options);
    } else {
        out << "usage: memoirctl COMMAND [OPTIONS]\n\n";
        for (const auto& each : commands()) {
            std::string name = "  " + std::string(each.name);
            name.resize(20, ' ');
            out << name << each.summary << '\n';
        }
        out << "\nFor every command:\n";
    }
    print_options(out, {std::begin(shared_options), std::end(shared_options)});
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

int load_and_run(const Command& command, const po::variables_map& map, std::ostream& out, std::ostream& err) {
    const auto arguments = arguments_of(map, command);
    config::Sources sources;
    sources.file_required = map.count("config") > 0;
    sources.file = sources.file_required ? map["config"].as<std::string>() : default_config;
    if (map.count("set")) sources.sets = map["set"].as<std::vector<std::string>>();
    const auto loaded = config::load(sources);
    if (!loaded.problems.empty()) {
        for (const auto& problem : loaded.problems) err << problem.to_string() << '\n';
        return configuration;
    }
    const auto log = telemetry::open_log(loaded.config.log, "memoirctl");
    Context context(loaded.config, map.count("json") > 0, out, *log);
    return run_command(command, arguments, context, err);
}

}  // namespace

int run(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
    try {
        const auto found = find_command(arguments);
        const auto map = parse(found.arguments, found.command);
        if (map.count("version")) {
            out << "memoirctl " << MEMOIRD_VERSION << '\n';
            return ok;
        }
        if (map.count("help")) {
            print_help(out, found.command);
            return ok;
        }
        if (!found.command) {
            if (found.words.empty()) return report(err, usage, "no command given", "memoirctl --help");
            return report(err, usage, "there is no command " + found.words[0], "memoirctl --help lists them");
        }
        return load_and_run(*found.command, map, out, err);
    } catch (const po::error& error) {
        return report(err, usage, error.what(), "memoirctl --help");
    } catch (const Usage& error) {
        return report(err, usage, error.what(), "memoirctl --help");
    } catch (const std::exception& error) {
        return report(err, unexpected, error.what(), "");
    }
}

}  // namespace memoir::ctl
