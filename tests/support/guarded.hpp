#pragma once
// A child process that cannot outlive the test program, however that ends: between the two stands a
// supervisor that holds a pipe from us and kills the child's process group, and removes what it left, when
// the pipe closes. (PR_SET_PDEATHSIG would not do: it fires when the starting *thread* ends.) Thread safety:
// one thread at a time.

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace memoir::test {

struct Launch {
    std::vector<std::string> arguments;              // [0] is the program, looked for in PATH
    std::map<std::string, std::string> environment;  // added to ours; "" removes
    std::string input, output, errors;               // files; output and errors are appended to
    std::string user;                                // become this user; empty: stay
    std::string orphaned_directory;                  // removed when the test program died
};

class Guarded {
  public:
    explicit Guarded(const Launch& launch);
    ~Guarded();  // SIGKILL to the child's process group
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;

    pid_t pid() const { return child_; }
    // The exit code, 128 + N for death by signal N; nullopt when it still runs after `limit`.
    std::optional<int> wait(std::chrono::milliseconds limit);

  private:
    pid_t supervisor_ = -1, child_ = -1;
    int pipe_ = -1;  // closed when we end, by the kernel if need be
    std::optional<int> code_;
};

// "postgres" when we are root, whom PostgreSQL's programs refuse to serve; else empty: ourselves.
std::string unprivileged_user();
// Makes it own `directory` and what is in it; nothing to do for the empty user.
void give(const std::string& directory, const std::string& user);

// A fresh directory of a short name (a socket's path has 107 bytes) that `unprivileged_user` may write to.
std::string temporary_directory(const std::string& prefix);

// A free TCP port of 127.0.0.1 outside the range that outgoing connections draw from.
int free_port();

std::string read_file(const std::string& path);  // empty when it is not there

}  // namespace memoir::test
