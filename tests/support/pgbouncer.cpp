#include "support/pgbouncer.hpp"

#include <libpq-fe.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "support/guarded.hpp"
#include "support/process.hpp"
#include "support/wait.hpp"

namespace memoir::test {
namespace {

// Where distributions put it: outside an ordinary user's PATH.
std::string program() {
    for (const auto* path : {"/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"})
        if (std::filesystem::exists(path)) return path;
    return "pgbouncer";
}

}  // namespace

bool PgBouncer::keeps_statements() {
    static const bool keeps = [] {
        // "PgBouncer 1.24.1"
        const auto said = run({{program(), "--version"}, {}, {}}).output;
        int major = 0, minor = 0;
        return std::sscanf(said.c_str(), "PgBouncer %d.%d", &major, &minor) == 2 &&
               (major > 1 || minor >= 21);
    }();
    return keeps;
}

PgBouncer::PgBouncer(Cluster& cluster, const std::vector<std::string>& settings, Statements statements)
    : directory_(temporary_directory("mpb")) {
    for (int tries = 0; tries < 5; ++tries) {
        port_ = free_port();
        std::ofstream config(directory_ + "/pgbouncer.ini");
        config << "[databases]\n* = host=" << cluster.directory() << " port=" << cluster.port()
               << " user=postgres\n[pgbouncer]\npool_mode = transaction\nauth_type = any\n"
               << "listen_addr = 127.0.0.1\nlisten_port = " << port_ << "\nunix_socket_dir = " << directory_
               << "\nmax_client_conn = 500\n";
        if (keeps_statements())
            config << "max_prepared_statements = " << (statements == Statements::kept ? 200 : 0) << '\n';
        for (const auto& line : settings) config << line << '\n';
        config.close();
        Launch launch;
        launch.arguments = {program(), directory_ + "/pgbouncer.ini"};
        launch.user = unprivileged_user();
        launch.output = launch.errors = directory_ + "/log";
        launch.orphaned_directory = directory_;
        program_ = std::make_unique<Guarded>(launch);
        // An unused database name would do as well: answering at all is what counts.
        const auto address = url();
        bool ended = false;
        eventually([&] {
            ended = program_->wait(std::chrono::milliseconds(0)).has_value();
            return ended || PQping(address.c_str()) == PQPING_OK;
        });
        if (!ended) return;  // else its port was taken meanwhile
    }
    throw std::runtime_error("PgBouncer does not start:\n" + log());
}

PgBouncer::~PgBouncer() {
    program_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

std::string PgBouncer::url(const std::string& database) const {
    return "postgresql://postgres@127.0.0.1:" + std::to_string(port_) + "/" + database;
}

std::string PgBouncer::log() const {
    return read_file(directory_ + "/log");
}

}  // namespace memoir::test
