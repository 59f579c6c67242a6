// The tests' main: Catch2's, and a watchdog. A test case that takes longer than MEMOIRD_TEST_LIMIT seconds
// (300; 0: as long as it likes) hangs: the stack of each thread is printed, by gdb where it is installed, and
// the suite aborts. Threads: one, which sleeps until a test case is over or its time is up.
#define CATCH_CONFIG_MAIN
#define CATCH_CONFIG_EXTERNAL_INTERFACES
#include <execinfo.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

namespace {

constexpr int default_limit = 300;

std::chrono::seconds limit() {
    const char* text = std::getenv("MEMOIRD_TEST_LIMIT");
    return std::chrono::seconds(text == nullptr ? default_limit : std::atoi(text));
}

// True when gdb has printed every thread.
bool gdb_prints() {
    const auto self = std::to_string(getpid());
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    const pid_t child = fork();
    if (child < 0) return false;
    if (child == 0) {
        dup2(2, 1);
        execlp("gdb", "gdb", "-p", self.c_str(), "-batch", "-nx", "-ex", "set debuginfod enabled off", "-ex",
               "thread apply all bt 40", static_cast<char*>(nullptr));
        _exit(127);
    }
    int status = 0;
    for (int tenths = 0; tenths < 900; ++tenths) {
        if (waitpid(child, &status, WNOHANG) == child) return WIFEXITED(status) && WEXITSTATUS(status) == 0;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return false;
}

// The signal's handler, in the thread whose stack is wanted.
void print_own_stack(int) {
    void* frames[40];
    backtrace_symbols_fd(frames, backtrace(frames, 40), 2);
}

void signal_each_thread() {
    void* first = nullptr;
    backtrace(&first, 1);  // loads what it needs, which no handler may
    struct sigaction action {};
    action.sa_handler = print_own_stack;
    sigaction(SIGUSR2, &action, nullptr);
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        const int thread = std::atoi(task.path().filename().c_str());
        if (thread == gettid()) continue;
        std::fprintf(stderr, "thread %d:\n", thread);
        syscall(SYS_tgkill, getpid(), thread, SIGUSR2);
        std::this_thread::sleep_for(std::chrono::milliseconds(100));  // one stack after the other
    }
}

class Watchdog {
  public:
    Watchdog() : thread_([this](const std::stop_token& stop) { watch(stop); }) {}

    void arm(std::string name) {
        const std::lock_guard lock(mutex_);
        name_ = std::move(name);
        end_ = std::chrono::steady_clock::now() + limit();
        changed_.notify_all();
    }
    void disarm() {
        const std::lock_guard lock(mutex_);
        name_.clear();
        changed_.notify_all();
    }

  private:
    void watch(const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        while (!stop.stop_requested()) {
            if (name_.empty()) {
                changed_.wait(lock, stop, [&] { return !name_.empty(); });
            } else if (std::chrono::steady_clock::now() >= end_) {
                std::fprintf(stderr,
                             "\nhangs: \"%s\" has not ended within %d s; the stacks of its threads:\n",
                             name_.c_str(), static_cast<int>(limit().count()));
                if (!gdb_prints()) signal_each_thread();
                signal(SIGABRT, SIG_DFL);  // Catch2's handler would come back here for the lock
                std::abort();
            } else {
                changed_.wait_until(lock, stop, end_,
                                    [&, end = end_] { return name_.empty() || end != end_; });
            }
        }
    }

    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::string name_;  // of the test case that runs; empty: none
    std::chrono::steady_clock::time_point end_;
    std::jthread thread_;
};

struct Limit : Catch::TestEventListenerBase {
    using TestEventListenerBase::TestEventListenerBase;
    void testCaseStarting(const Catch::TestCaseInfo& test) override {
        if (limit().count() > 0) watchdog_.arm(test.name);
    }
    void testCaseEnded(const Catch::TestCaseStats&) override { watchdog_.disarm(); }

  private:
    Watchdog watchdog_;
};

CATCH_REGISTER_LISTENER(Limit)

}  // namespace
