#include "support/process.hpp"

#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "support/guarded.hpp"
#include "support/wait.hpp"

namespace memoir::test {

Process::Process(Options options) : directory_(temporary_directory("mpr")) {
    Launch launch;
    launch.arguments = std::move(options.arguments);
    launch.environment = std::move(options.environment);
    if (!options.input.empty()) {
        launch.input = directory_ + "/input";
        std::ofstream(launch.input, std::ios::binary) << options.input;
    }
    launch.output = directory_ + "/output";
    launch.errors = directory_ + "/errors";
    launch.orphaned_directory = directory_;
    guarded_ = std::make_unique<Guarded>(launch);
    pid_ = guarded_->pid();
}

Process::~Process() {
    guarded_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

void Process::signal(int number) {
    // Once it has ended, its number may be somebody else's.
    if (running()) kill(pid_, number);
}

std::optional<int> Process::wait(std::chrono::milliseconds limit) {
    return guarded_->wait(limit);
}

bool Process::running() {
    return !guarded_->wait(std::chrono::milliseconds(0));
}

std::string Process::output() const {
    return read_file(directory_ + "/output");
}

std::string Process::errors() const {
    return read_file(directory_ + "/errors");
}

bool Process::wrote(const std::string& text, std::chrono::milliseconds limit) {
    bool found = false;
    eventually(
        [&] {
            const bool ended = !running();  // before the look: what it wrote last counts
            found = output().find(text) != std::string::npos || errors().find(text) != std::string::npos;
            return found || ended;
        },
        limit);
    return found;
}

Finished run(Process::Options options, std::chrono::milliseconds limit) {
    const std::string program = options.arguments.at(0);
    Process process(std::move(options));
    const auto code = process.wait(limit);
    if (!code) throw std::runtime_error(program + " did not end in time: " + process.errors());
    return {*code, process.output(), process.errors()};
}

}  // namespace memoir::test
