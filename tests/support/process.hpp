#pragma once
// A program under test as a child process. Killed with SIGKILL, and its process group with it, when the
// object goes or the test program ends, however it ends. Thread safety: one thread at a time.

#include <sys/types.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace memoir::test {

class Guarded;

class Process {
  public:
    struct Options {
        std::vector<std::string> arguments;              // [0] is the program
        std::map<std::string, std::string> environment;  // added to ours; "" removes
        std::string input;                               // its standard input
    };
    explicit Process(Options options);
    ~Process();
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    pid_t pid() const { return pid_; }
    void signal(int number);
    // The exit code, 128 + N for death by signal N; nullopt when it still runs after `limit`.
    std::optional<int> wait(std::chrono::milliseconds limit = std::chrono::seconds(60));
    bool running();
    std::string output() const;  // what it wrote so far, standard output
    std::string errors() const;  // and standard error
    // Waits until output() or errors() contains `text`; false when `limit` passed or it ended without.
    bool wrote(const std::string& text, std::chrono::milliseconds limit = std::chrono::seconds(60));

  private:
    pid_t pid_ = -1;
    std::string directory_;
    std::unique_ptr<Guarded> guarded_;
};

// Runs to the end.
struct Finished {
    int code;
    std::string output, errors;
};
Finished run(Process::Options options, std::chrono::milliseconds limit = std::chrono::seconds(60));

}  // namespace memoir::test
