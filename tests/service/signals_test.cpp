#include "service/signals.hpp"

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <string>
#include <vector>

using memoir::service::SignalCallbacks;
using memoir::service::Signals;

namespace {

struct Fixture {
    boost::asio::io_context context;
    std::vector<std::string> calls;
    Signals signals{context,
                    {[this] { calls.emplace_back("drain"); }, [this] { calls.emplace_back("abort"); },
                     [this] { calls.emplace_back("reload"); }, [this] { calls.emplace_back("status"); }}};

    // A signal to ourselves is delivered before raise returns; the callback runs on this thread.
    void raise(int number) {
        const auto before = calls.size();
        std::raise(number);
        while (calls.size() == before) REQUIRE(context.run_one_for(std::chrono::seconds(30)) > 0);
    }
};

}  // namespace

TEST_CASE("HUP reloads and USR1 reports, as often as they come") {
    Fixture f;
    f.raise(SIGHUP);
    f.raise(SIGUSR1);
    f.raise(SIGHUP);
    CHECK(f.calls == std::vector<std::string>{"reload", "status", "reload"});
}

TEST_CASE("the first TERM or INT drains, each further one aborts") {
    const auto [first, second] =
        GENERATE(std::pair{SIGTERM, SIGTERM}, std::pair{SIGTERM, SIGINT}, std::pair{SIGINT, SIGTERM});
    Fixture f;
    f.raise(first);
    f.raise(second);
    f.raise(second);
    CHECK(f.calls == std::vector<std::string>{"drain", "abort", "abort"});
}

TEST_CASE("a signal that comes while its io_context does not run yet is not lost") {
    Fixture f;
    std::raise(SIGTERM);
    while (f.calls.empty()) REQUIRE(f.context.run_one_for(std::chrono::seconds(30)) > 0);
    CHECK(f.calls == std::vector<std::string>{"drain"});
}

TEST_CASE("a destroyed Signals leaves nothing behind in its io_context") {
    boost::asio::io_context context;
    { Signals signals(context, SignalCallbacks{}); }
    CHECK(context.run_for(std::chrono::seconds(30)) > 0);  // the cancelled wait
    CHECK(context.stopped());
}

TEST_CASE("a write to a closed pipe is an error, not the end") {
    Fixture f;
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    close(ends[0]);
    CHECK(write(ends[1], "x", 1) == -1);
    CHECK(errno == EPIPE);
    close(ends[1]);
}
