// The daemon's main: options, configuration, run, exit code.

#include <iostream>

#include "app/command_line.hpp"
#include "app/daemon.hpp"
#include "config/config.hpp"
#include "service/hardening.hpp"
#include "service/signals.hpp"
#include "telemetry/open_log.hpp"

namespace {

using memoir::app::ExitCode;
using memoir::config::CommandLine;

// A full disk or a closed pipe is an error, also where nothing else was to be done.
int printed() {
    std::cout.flush();
    if (std::cout) return ExitCode::exit_ok;
    std::cerr << "memoird: the output could not be written\n";
    return ExitCode::exit_unexpected;
}

int run(const CommandLine& line) {
    memoir::config::Sources sources;
    sources.file = line.get("config", memoir::config::default_file);
    sources.sets = line.all("set");
    auto loaded = memoir::config::load(sources);
    if (line.has("print-config") && loaded.problems.empty()) {
        std::cout << loaded.printed;
        return printed();
    }
    for (const auto& problem : loaded.problems) std::cerr << problem.to_string() << "\n";
    if (!loaded.problems.empty()) return ExitCode::exit_config;
    if (line.has("check-config")) return ExitCode::exit_ok;

    memoir::service::harden();
    const auto log = memoir::telemetry::open_log(loaded.config.log);
    memoir::app::DaemonOptions options;
    options.until_idle = line.has("until-idle");
    options.reload = [&] { return memoir::config::load(sources); };
    if (memoir::telemetry::goes_to_journal(loaded.config.log)) options.last_words = &std::cerr;
    memoir::app::Daemon daemon(std::move(loaded.config), std::move(options), *log);
    return daemon.run();
}

void print_help() {
    std::cout << "usage: memoird [OPTIONS]\n\nThe worker daemon of an AI-memory system.\n\n";
    memoir::config::print_options(std::cout, memoir::app::options());
    std::cout << "\nSignals:\n";
    for (const auto& [name, text] : memoir::app::signals()) {
        std::string column = "  " + std::string(name);
        column.resize(26, ' ');
        std::cout << column << text << "\n";
    }
}

}  // namespace

int main(int argc, char** argv) {
    memoir::service::end_by_signal_until_ready();
    CommandLine line;
    try {
        line = memoir::config::parse_command_line({argv + 1, argv + argc}, memoir::app::options());
        if (!line.rest.empty()) throw memoir::config::Usage("there is no argument but options");
    } catch (const memoir::config::Usage& error) {
        std::cerr << "memoird: " << error.what() << "\nHINT: memoird --help lists the options\n";
        return ExitCode::exit_usage;
    }
    if (line.has("help")) {
        print_help();
        return printed();
    }
    if (line.has("version")) {
        std::cout << "memoird " << MEMOIRD_VERSION << "\n";
        return printed();
    }
    try {
        return run(line);
    } catch (const std::exception& error) {
        std::cerr << "memoird: unexpected error: " << typeid(error).name() << "\n";
        return ExitCode::exit_unexpected;
    }
}
