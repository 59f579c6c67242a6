#include "support/guarded.hpp"

#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "base/random_id.hpp"
#include "support/wait.hpp"

namespace memoir::test {
namespace {

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

std::string find_program(const std::string& name) {
    if (name.find('/') != std::string::npos) return name;
    const char* path = std::getenv("PATH");
    std::istringstream folders(path == nullptr ? "/usr/bin:/bin" : path);
    for (std::string folder; std::getline(folders, folder, ':');)
        if (access((folder + "/" + name).c_str(), X_OK) == 0) return folder + "/" + name;
    throw std::runtime_error("no program " + name + " in PATH");
}

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& added) {
    std::vector<std::string> merged;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text = *entry;
        if (!added.contains(std::string(text.substr(0, text.find('='))))) merged.emplace_back(text);
    }
    for (const auto& [name, value] : added)
        if (!value.empty()) merged.push_back(name + "=" + value);
    return merged;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> list;
    for (auto& text : strings) list.push_back(text.data());
    list.push_back(nullptr);
    return list;
}

// Everything that the children need, made before the fork: after it, in a program with threads, only system
// calls are safe.
struct Prepared {
    std::string program;
    std::vector<std::string> arguments, environment, removal;
    std::vector<char*> argument_pointers, environment_pointers, removal_pointers;
    std::string input, output, errors;
    uid_t uid = 0;
    gid_t gid = 0;
    bool change_user = false;
};

Prepared prepare(const Launch& launch) {
    Prepared prepared;
    prepared.program = find_program(launch.arguments.at(0));
    prepared.arguments = launch.arguments;
    prepared.environment = merged_environment(launch.environment);
    if (!launch.orphaned_directory.empty()) prepared.removal = {"rm", "-rf", launch.orphaned_directory};
    prepared.argument_pointers = pointers(prepared.arguments);
    prepared.environment_pointers = pointers(prepared.environment);
    prepared.removal_pointers = pointers(prepared.removal);
    prepared.input = launch.input.empty() ? "/dev/null" : launch.input;
    prepared.output = launch.output.empty() ? "/dev/null" : launch.output;
    prepared.errors = launch.errors.empty() ? "/dev/null" : launch.errors;
    if (!launch.user.empty()) {
        const passwd* user = getpwnam(launch.user.c_str());
        if (user == nullptr) throw std::runtime_error("no user " + launch.user);
        prepared.uid = user->pw_uid;
        prepared.gid = user->pw_gid;
        prepared.change_user = true;
    }
    return prepared;
}

void redirect(const char* path, int flags, int to) {
    const int file = open(path, flags, 0644);
    if (file >= 0 && file != to) dup2(file, to);
}

void reset_signals() {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int number = 1; number < 32; ++number) signal(number, SIG_DFL);
}

[[noreturn]] void become_program(const Prepared& prepared) {
    setpgid(0, 0);
    reset_signals();
    redirect(prepared.input.c_str(), O_RDONLY, 0);
    redirect(prepared.output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 1);
    redirect(prepared.errors.c_str(), O_WRONLY | O_CREAT | O_APPEND, 2);
    close_range(3, ~0U, 0);
    if (prepared.change_user &&
        (setgroups(1, &prepared.gid) != 0 || setgid(prepared.gid) != 0 || setuid(prepared.uid) != 0))
        _exit(126);
    execve(prepared.program.c_str(), prepared.argument_pointers.data(), prepared.environment_pointers.data());
    _exit(127);
}

int exit_code(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

[[noreturn]] void supervise(const Prepared& prepared, int from_test, int to_test) {
    // A terminal's interrupt is for the test program; we go when it is gone.
    setpgid(0, 0);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) signal(number, SIG_IGN);
    // The ends of other supervisors' pipes that we inherited would keep those alive.
    dup2(from_test, 3);
    dup2(to_test, 4);
    close_range(5, ~0U, 0);

    const pid_t child = fork();
    if (child == 0) become_program(prepared);
    setpgid(child, child);  // also here: a kill of the group may come before the child has done it
    if (write(4, &child, sizeof child) != sizeof child) _exit(125);
    close(4);

    const int child_end = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
    pollfd watched[2] = {{child_end, POLLIN, 0}, {3, POLLIN, 0}};
    while (poll(watched, 2, -1) < 0 && errno == EINTR) {
    }
    const bool orphaned = watched[0].revents == 0;
    if (orphaned) kill(-child, SIGKILL);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (orphaned && !prepared.removal.empty())
        execve("/bin/rm", prepared.removal_pointers.data(), prepared.environment_pointers.data());
    _exit(exit_code(status));
}

}  // namespace

Guarded::Guarded(const Launch& launch) {
    const auto prepared = prepare(launch);
    int to_supervisor[2], from_supervisor[2];
    if (pipe2(to_supervisor, O_CLOEXEC) != 0 || pipe2(from_supervisor, O_CLOEXEC) != 0) fail("pipe");
    supervisor_ = fork();
    if (supervisor_ < 0) fail("fork");
    if (supervisor_ == 0) {
        // Out of the way of 3 and 4, which dup2 must not overwrite before it has read them.
        const int in = fcntl(to_supervisor[0], F_DUPFD, 10), out = fcntl(from_supervisor[1], F_DUPFD, 10);
        supervise(prepared, in, out);
    }
    close(to_supervisor[0]);
    close(from_supervisor[1]);
    pipe_ = to_supervisor[1];
    const auto got = read(from_supervisor[0], &child_, sizeof child_);
    close(from_supervisor[0]);
    if (got != static_cast<ssize_t>(sizeof child_)) throw std::runtime_error("the supervisor did not start");
}

Guarded::~Guarded() {
    if (!code_) {
        kill(-child_, SIGKILL);
        wait(std::chrono::seconds(60));
    }
    close(pipe_);
}

std::optional<int> Guarded::wait(std::chrono::milliseconds limit) {
    eventually(
        [&] {
            if (code_) return true;
            int status = 0;
            if (waitpid(supervisor_, &status, WNOHANG) == supervisor_) code_ = exit_code(status);
            return code_.has_value();
        },
        limit);
    return code_;
}

std::string unprivileged_user() {
    return geteuid() == 0 ? "postgres" : "";
}

void give(const std::string& directory, const std::string& user) {
    if (user.empty()) return;
    const passwd* entry = getpwnam(user.c_str());
    if (entry == nullptr) throw std::runtime_error("no user " + user);
    if (chown(directory.c_str(), entry->pw_uid, entry->pw_gid) != 0) fail("chown");
    for (const auto& file : std::filesystem::recursive_directory_iterator(directory))
        if (lchown(file.path().c_str(), entry->pw_uid, entry->pw_gid) != 0) fail("chown");
}

std::string temporary_directory(const std::string& prefix) {
    std::string path = "/tmp/" + prefix + ".XXXXXX";
    if (mkdtemp(path.data()) == nullptr) fail("mkdtemp");
    give(path, unprivileged_user());
    return path;
}

int free_port() {
    while (true) {
        const int port = 10'000 + static_cast<int>(random_unit() * 20'000);
        const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (probe < 0) fail("socket");
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        const int bound = bind(probe, reinterpret_cast<sockaddr*>(&address), sizeof address);
        close(probe);
        if (bound == 0) return port;
    }
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace memoir::test
