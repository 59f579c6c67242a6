#include "support/postgres.hpp"

#include <fcntl.h>
#include <libpq-fe.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "support/guarded.hpp"
#include "support/process.hpp"
#include "support/wait.hpp"

namespace memoir::test {
namespace {

// Starting takes well under a second on an idle machine; the limits are for one that many suites share.
constexpr auto patience = std::chrono::seconds(60);

void run_quietly(Launch launch, const std::string& log) {
    launch.output = launch.errors = log;
    Guarded program(launch);
    const auto code = program.wait(patience);
    if (code != 0) throw std::runtime_error(launch.arguments.front() + " failed:\n" + read_file(log));
}

// Of the server to test with: MEMOIRD_POSTGRES=DIR (with bin/ in it), else the system's.
const std::string& bindir() {
    static const std::string path = [] {
        if (const char* chosen = std::getenv("MEMOIRD_POSTGRES"); chosen != nullptr && *chosen != '\0')
            return std::string(chosen) + "/bin";
        const auto directory = temporary_directory("mpx");
        Launch launch;
        launch.arguments = {"pg_config", "--bindir"};
        run_quietly(launch, directory + "/out");
        std::string line;
        std::getline(std::istringstream(read_file(directory + "/out")) >> std::ws, line);
        std::filesystem::remove_all(directory);
        return line;
    }();
    return path;
}

// "17.5", of "postgres (PostgreSQL) 17.5 (Debian …)".
std::string server_version() {
    const auto said = run({{bindir() + "/postgres", "--version"}, {}, {}}).output;
    const std::string mark = "(PostgreSQL) ";
    const auto at = said.find(mark);
    if (at == said.npos) throw std::runtime_error("there is no PostgreSQL server in " + bindir());
    const auto version = said.substr(at + mark.size());
    return version.substr(0, version.find_first_not_of("0123456789."));
}

Launch postgres_program(const std::string& name, std::vector<std::string> arguments) {
    Launch launch;
    launch.arguments = {bindir() + "/" + name};
    launch.arguments.insert(launch.arguments.end(), arguments.begin(), arguments.end());
    launch.user = unprivileged_user();
    launch.environment = {{"LC_ALL", "C"}, {"TZ", "UTC"}, {"PGDATA", ""}, {"PGHOST", ""}, {"PGPORT", ""}};
    return launch;
}

void make_template(const std::string& directory) {
    const auto data = directory + "/data";
    run_quietly(postgres_program("initdb", {"-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8",
                                            "--locale=C.UTF-8"}),
                directory + "/initdb.log");
    std::ofstream(directory + "/create.sql") << "create database memoir\n";
    auto single = postgres_program("postgres", {"--single", "-F", "-D", data, "postgres"});
    single.input = directory + "/create.sql";
    run_quietly(single, directory + "/create.log");
}

// initdb costs seconds of CPU; its result is kept for all suites of this user, made once under a lock.
std::string template_data() {
    const auto path = "/tmp/memoird-test-template-" + server_version() + "-" + std::to_string(geteuid());
    const auto lock_path = path + ".lock";
    const int lock = open(lock_path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0 || flock(lock, LOCK_EX) != 0) throw std::runtime_error("cannot lock " + lock_path);
    struct stat lock_owner {};
    if (fstat(lock, &lock_owner) != 0 || lock_owner.st_uid != geteuid())
        throw std::runtime_error(lock_path + " belongs to somebody else");
    if (!std::filesystem::exists(path + "/data/PG_VERSION")) {
        const auto made = temporary_directory("mpt");
        make_template(made);
        std::filesystem::remove_all(path);
        std::filesystem::rename(made, path);
    }
    close(lock);
    return path + "/data";
}

}  // namespace

struct Cluster::State {
    std::string directory = temporary_directory("mpg");
    int port = free_port();
    std::unique_ptr<Guarded> server;

    std::string socket_url(const std::string& database) const {
        return "postgresql:///" + database + "?host=" + directory + "&port=" + std::to_string(port) +
               "&user=postgres";
    }
    std::string log() const { return read_file(directory + "/log"); }
    bool launch();
    void kill_children() const;
};

Cluster::Cluster(Settings settings) : state_(std::make_unique<State>()) {
    auto& state = *state_;
    const auto data = state.directory + "/data";
    Launch copy;
    copy.arguments = {"cp", "-a", template_data(), data};
    run_quietly(copy, state.directory + "/cp.log");
    std::ofstream config(data + "/postgresql.auto.conf", std::ios::app);
    config << "listen_addresses = '127.0.0.1'\n"
           << "unix_socket_directories = '" << state.directory << "'\n"
           << "max_connections = 200\nshared_buffers = 64MB\nmax_wal_size = 512MB\n"
           << "dynamic_shared_memory_type = mmap\n"  // in the data directory: gone with it
           << "autovacuum = on\nautovacuum_naptime = 5s\ntimezone = UTC\nlc_messages = C\n"
           << "log_line_prefix = '%m %p %a '\nlogging_collector = off\n";
    if (!settings.fsync) config << "fsync = off\nfull_page_writes = off\n";
    for (const auto& line : settings.config) config << line << '\n';
    config.close();
    // Somebody may take the port between the look and the start.
    for (int tries = 0; !state.launch(); ++tries) {
        if (tries == 5) throw std::runtime_error("the server does not start:\n" + state.log());
        state.port = free_port();
    }
}

// False: it ended instead of getting ready.
bool Cluster::State::launch() {
    auto launch = postgres_program("postgres", {"-D", directory + "/data", "-p", std::to_string(port)});
    launch.output = launch.errors = directory + "/log";
    launch.orphaned_directory = directory;
    server = std::make_unique<Guarded>(launch);
    const auto url = socket_url("postgres");
    bool ended = false;
    const bool ready = eventually(
        [&] {
            ended = server->wait(std::chrono::milliseconds(0)).has_value();
            return ended || PQping(url.c_str()) == PQPING_OK;
        },
        patience);
    if (!ready) throw std::runtime_error("the server does not get ready:\n" + log());
    if (ended) server.reset();
    return !ended;
}

// A killed postmaster leaves its children to notice; a machine that lost its power would not.
void Cluster::State::kill_children() const {
    const auto pid = std::to_string(server->pid());
    std::istringstream children(read_file("/proc/" + pid + "/task/" + pid + "/children"));
    for (pid_t child = 0; children >> child;) kill(child, SIGKILL);
}

Cluster::~Cluster() {
    if (state_->server) {
        kill(state_->server->pid(), SIGQUIT);
        state_->server->wait(std::chrono::seconds(10));
        state_->server.reset();
    }
    std::error_code ignored;
    std::filesystem::remove_all(state_->directory, ignored);
}

Cluster& Cluster::shared() {
    static Cluster cluster;
    return cluster;
}

std::string Cluster::url(const std::string& database) const {
    return state_->socket_url(database);
}

std::string Cluster::tcp_url(const std::string& database, int port) const {
    return "postgresql://postgres@127.0.0.1:" + std::to_string(port == 0 ? state_->port : port) + "/" +
           database;
}

int Cluster::port() const {
    return state_->port;
}

const std::string& Cluster::directory() const {
    return state_->directory;
}

void Cluster::stop(Stop how) {
    auto& state = *state_;
    if (!state.server) return;
    if (how == Stop::kill) {
        kill(state.server->pid(), SIGSTOP);  // so that it starts no further child
        state.kill_children();
        kill(state.server->pid(), SIGKILL);
    } else {
        kill(state.server->pid(), how == Stop::fast ? SIGINT : SIGQUIT);
    }
    if (!state.server->wait(patience)) throw std::runtime_error("the server does not stop:\n" + state.log());
    state.server.reset();
}

void Cluster::start() {
    if (state_->server) return;
    // After a kill the last processes of the old server may still hold its shared memory for a moment.
    if (!eventually([&] { return state_->launch(); }, patience))
        throw std::runtime_error("the server does not start again:\n" + state_->log());
}

}  // namespace memoir::test
