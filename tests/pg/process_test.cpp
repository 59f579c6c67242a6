// The helpers that every suite leans on: child processes, and a proxy that breaks what passes.
#include "support/process.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <thread>

#include "support/guarded.hpp"
#include "support/postgres.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait.hpp"

using namespace memoir::test;

namespace {

Process::Options shell(const std::string& script, const std::string& input = "") {
    return {
        .arguments = {"sh", "-c", script}, .environment = {{"GIVEN", "a b"}, {"HOME", ""}}, .input = input};
}

bool alive(pid_t pid) {
    return kill(pid, 0) == 0 || errno != ESRCH;
}

}  // namespace

TEST_CASE("a program's output, errors, input, environment and exit code are seen") {
    const auto finished =
        run(shell("echo \"$GIVEN\"; cat; echo bad >&2; echo ${HOME-none}; exit 7", "from us\n"));
    CHECK(finished.code == 7);
    CHECK(finished.output == "a b\nfrom us\nnone\n");
    CHECK(finished.errors == "bad\n");
}

TEST_CASE("a program that still runs has no exit code, and gets signals") {
    Process process(shell("trap 'echo told; exit 3' TERM; echo ready; while :; do sleep 0.01; done"));
    REQUIRE(process.wrote("ready"));
    CHECK(process.running());
    CHECK_FALSE(process.wait(std::chrono::milliseconds(1)));
    process.signal(SIGTERM);
    CHECK(process.wait() == 3);
    CHECK(process.output() == "ready\ntold\n");
    CHECK_FALSE(process.wrote("never"));
}

TEST_CASE("death by a signal is 128 and its number") {
    Process process(shell("echo ready; exec sleep 600"));
    REQUIRE(process.wrote("ready"));
    process.signal(SIGSTOP);
    CHECK(process.running());
    process.signal(SIGKILL);
    CHECK(process.wait() == 128 + SIGKILL);
}

TEST_CASE("a program and its children end with the object") {
    pid_t pid = 0;
    {
        Process process(shell("echo $$; sleep 600 & wait"));
        REQUIRE(process.wrote("\n"));
        pid = process.pid();
        CHECK(std::stoi(process.output()) == pid);
    }
    CHECK(eventually([&] { return kill(-pid, 0) != 0; }));  // the whole group
}

TEST_CASE("a program does not outlive a test that is killed, nor does what it left") {
    const auto left = temporary_directory("mpk");
    int told[2];
    REQUIRE(pipe(told) == 0);
    const pid_t test_program = fork();
    if (test_program == 0) {
        const Guarded guarded({.arguments = {"sleep", "600"},
                               .environment = {},
                               .input = "",
                               .output = "",
                               .errors = "",
                               .user = "",
                               .orphaned_directory = left});
        const pid_t pid = guarded.pid();
        if (write(told[1], &pid, sizeof pid) == sizeof pid) pause();
        _exit(1);
    }
    pid_t pid = 0;
    REQUIRE(read(told[0], &pid, sizeof pid) == sizeof pid);
    close(told[0]);
    close(told[1]);
    CHECK(alive(pid));
    kill(test_program, SIGKILL);
    waitpid(test_program, nullptr, 0);
    CHECK(eventually([&] { return !alive(pid); }));
    CHECK(eventually([&] { return access(left.c_str(), F_OK) != 0; }));
}

TEST_CASE("a proxy passes on after a partition has healed, and counts") {
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    auto connection =
        memoir::pg::Connection::connect({.conninfo = Cluster::shared().tcp_url("memoir", proxy.port())});
    CHECK(proxy.accepted() == 1);
    CHECK(proxy.open() == 1);
    proxy.swallow(true);
    std::jthread healer([&] {
        eventually([&] { return false; }, std::chrono::milliseconds(50));
        proxy.swallow(false);
    });
    CHECK(connection->exec("select 1").rows() == 1);
    connection.reset();
    CHECK(eventually([&] { return proxy.open() == 0; }));
}
