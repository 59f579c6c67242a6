// The daemon's main: options, configuration, run, exit code.

#include <boost/program_options.hpp>
#include <iostream>

#include "app/daemon.hpp"
#include "config/config.hpp"
#include "service/hardening.hpp"
#include "telemetry/open_log.hpp"

namespace {

namespace options = boost::program_options;
using memoir::app::ExitCode;

struct CommandLine {
    options::options_description visible{"memoird: worker daemon for AI-memory systems\n\nOptions"};
    options::variables_map values;
};

void parse(CommandLine& line, int argc, char** argv) {
    line.visible.add_options()  //
        ("config,c", options::value<std::string>()->default_value("/etc/memoird/memoird.toml"),
         "configuration; a name that ends in .json is JSON with the same keys")  //
        ("set", options::value<std::vector<std::string>>()->composing(),
         "KEY=VALUE: override one key (--set worker.lease=30s); repeatable")                  //
        ("check-config", "parse and validate, connect to nothing; exit 0 or 78")              //
        ("print-config", "the effective configuration as TOML with origins, secrets hidden")  //
        ("until-idle", "work until nothing served here is left, then exit")                   //
        ("version", "print the version")                                                      //
        ("help", "print this");
    options::store(
        options::command_line_parser(argc, argv)
            .options(line.visible)
            .positional({})
            .style(options::command_line_style::default_style & ~options::command_line_style::allow_guessing)
            .run(),
        line.values);
    options::notify(line.values);
}

int run(const CommandLine& line) {
    memoir::config::Sources sources;
    sources.file = line.values["config"].as<std::string>();
    if (line.values.count("set")) sources.sets = line.values["set"].as<std::vector<std::string>>();
    auto loaded = memoir::config::load(sources);
    if (line.values.count("print-config") && loaded.problems.empty()) {
        std::cout << loaded.printed;
        return ExitCode::exit_ok;
    }
    for (const auto& problem : loaded.problems) std::cerr << problem.to_string() << "\n";
    if (!loaded.problems.empty()) return ExitCode::exit_config;
    if (line.values.count("check-config")) return ExitCode::exit_ok;

    memoir::service::harden();
    const auto log = memoir::telemetry::open_log(loaded.config.log);
    memoir::app::Daemon daemon(
        std::move(loaded.config),
        {line.values.count("until-idle") > 0, [&] { return memoir::config::load(sources); }}, *log);
    return daemon.run();
}

}  // namespace

int main(int argc, char** argv) {
    CommandLine line;
    try {
        parse(line, argc, argv);
    } catch (const options::error& error) {
        std::cerr << "memoird: " << error.what() << "\nHINT: memoird --help lists the options\n";
        return ExitCode::exit_usage;
    }
    if (line.values.count("help")) {
        std::cout << line.visible
                  << "\nSignals: TERM or INT drains, a second one ends at once; HUP reads the "
                     "configuration again; USR1 logs the status.\n";
        return ExitCode::exit_ok;
    }
    if (line.values.count("version")) {
        std::cout << "memoird " << MEMOIRD_VERSION << "\n";
        return ExitCode::exit_ok;
    }
    try {
        return run(line);
    } catch (const std::exception& error) {
        std::cerr << "memoird: unexpected error: " << typeid(error).name() << "\n";
        return ExitCode::exit_unexpected;
    }
}
