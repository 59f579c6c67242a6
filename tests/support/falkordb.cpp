#include "support/falkordb.hpp"

#include <signal.h>

#include <filesystem>
#include <sstream>
#include <stdexcept>

#include "graph/connection.hpp"
#include "support/guarded.hpp"
#include "support/wait.hpp"

namespace memoir::test {

namespace {
std::string folder() {
    return std::string(SOURCE_DIR) + "/build/falkordb";
}
}  // namespace

bool FalkorDb::available() {
    return std::filesystem::exists(folder() + "/falkordb.so");
}

FalkorDb::FalkorDb(std::string arguments)
    : arguments_(std::move(arguments)), directory_(temporary_directory("mfk")) {
    start();
}

FalkorDb::~FalkorDb() {
    program_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

void FalkorDb::start() {
    Launch launch;
    // Every write goes to the disk before it is answered: a kill loses nothing that a client was told.
    launch.arguments = {folder() + "/redis-server",
                        "--port",
                        "0",
                        "--unixsocket",
                        directory_ + "/socket",
                        "--loadmodule",
                        folder() + "/falkordb.so",
                        "--dir",
                        directory_,
                        "--save",
                        "",
                        "--appendonly",
                        "yes",
                        "--appendfsync",
                        "always"};
    std::istringstream more(arguments_);
    for (std::string word; more >> word;) launch.arguments.push_back(word);
    launch.output = launch.errors = directory_ + "/log";
    launch.orphaned_directory = directory_;
    program_ = std::make_unique<Guarded>(launch);
    const bool up = eventually([&] {
        if (program_->wait(std::chrono::milliseconds(0))) return true;
        try {
            const std::string ping[] = {"PING"};
            graph::Connection::connect(options(), {})->command(ping, {});
            return true;
        } catch (const Failure& failure) {
            return failure.type() == FailureType::blocked;  // it asks for a password: it answers
        }
    });
    if (!up || program_->wait(std::chrono::milliseconds(0)))
        throw std::runtime_error("FalkorDB does not start:\n" + log());
}

void FalkorDb::kill() {
    ::kill(pid(), SIGKILL);
    program_->wait(std::chrono::seconds(30));
    std::filesystem::remove(directory_ + "/socket");
}

int FalkorDb::pid() const {
    return program_->pid();
}

graph::Options FalkorDb::options() const {
    graph::Options options;
    options.url = url();
    return options;
}

std::string FalkorDb::log() const {
    return read_file(directory_ + "/log");
}

}  // namespace memoir::test
