// The client against the real server, and against one that misbehaves: what each failure is to a job.
#include "graph/connection.hpp"

#include <signal.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <thread>

#include "graph/client.hpp"
#include "support/falkordb.hpp"
#include "support/recording_log.hpp"
#include "support/wait.hpp"

using namespace memoir;
using graph::Client;
using graph::Command;
using test::FalkorDb;

namespace {

Failure failure_of(const std::function<void()>& work) {
    try {
        work();
    } catch (const Failure& failure) {
        return failure;
    }
    FAIL("it should have failed");
    throw std::logic_error("unreachable");
}

void one(Client& client) {
    const auto rows = client.query(endpoint::Nature::read, "RETURN 1", {});
    REQUIRE(rows.size() == 1);
    CHECK(std::get<std::int64_t>(rows[0].at(0)) == 1);
}

}  // namespace

TEST_CASE("a password or an ACL user is needed where the server asks for one, and a wrong one blocks") {
    if (!FalkorDb::available()) return;
    FalkorDb server("--requirepass secret-word --user ann on >her-word ~* +@all");
    test::RecordingLog log;
    auto options = server.options();
    {
        Client client(options, log);
        CHECK(failure_of([&] { one(client); }).type() == FailureType::blocked);
    }
    options.password = Secret("wrong-word");
    {
        Client client(options, log);
        const auto failure = failure_of([&] { one(client); });
        CHECK(failure.type() == FailureType::blocked);
        CHECK(failure.hint.find("graph.password_file") != std::string::npos);
    }
    options.password = Secret("secret-word");
    Client client(options, log);
    one(client);
    options.user = "ann";
    options.password = Secret("her-word");
    Client ann(options, log);
    one(ann);
    for (const auto& event : log.events()) CHECK(event.message.find("word ") == std::string::npos);
}

TEST_CASE("a query that the server does not take is the job's, and the connection goes on") {
    if (!FalkorDb::available()) return;
    FalkorDb server;
    test::RecordingLog log;
    Client client(server.options(), log);
    const auto failure =
        failure_of([&] { client.query(endpoint::Nature::read, "NO CYPHER 'secret text'", {}); });
    CHECK(failure.type() == FailureType::job);
    CHECK(failure.reason().find("secret") == std::string::npos);
    one(client);
    const std::vector<Command> mixed{{"CREATE (:A)", -1}, {"NONSENSE", -1}, {"CREATE (:B)", -1}};
    CHECK(failure_of([&] { client.query(endpoint::Nature::write, mixed, {}); }).type() == FailureType::job);
    CHECK(client.query(endpoint::Nature::read, "MATCH (n) RETURN labels(n)", {}).size() == 2);
}

TEST_CASE("a server that was restarted meanwhile is reached again without a failure") {
    if (!FalkorDb::available()) return;
    FalkorDb server;
    test::RecordingLog log;
    Client client(server.options(), log);
    one(client);
    server.kill();
    CHECK(failure_of([&] { one(client); }).type() == FailureType::outage);
    server.start();
    REQUIRE(test::eventually([&] { return client.endpoint().probe_if_due({}); }));
    one(client);
    server.kill();
    server.start();
    one(client);
}

TEST_CASE("who does not listen, answers nothing or speaks no Redis is an outage, at the deadline") {
    test::RecordingLog log;
    graph::Options options;
    options.timeout = Milliseconds(300);
    SECTION("nobody listens") {
        options.url = "redis://127.0.0.1:1";
    }
    SECTION("no such name") {
        options.url = "redis://nowhere.invalid";
    }
    SECTION("no such socket") {
        options.url = "unix:/nowhere/socket";
    }
    Client client(options, log);
    CHECK(failure_of([&] { one(client); }).type() == FailureType::outage);
    CHECK(log.count("memoir.breaker.opened") == 1);
}

TEST_CASE("a server that hangs is given up at the deadline, and a stop ends a wait at once") {
    if (!FalkorDb::available()) return;
    FalkorDb server;
    test::RecordingLog log;
    auto options = server.options();
    options.timeout = Milliseconds(500);
    Client client(options, log);
    one(client);
    ::kill(server.pid(), SIGSTOP);
    CHECK(failure_of([&] { one(client); }).type() == FailureType::outage);
    options.timeout = Milliseconds(600'000);
    Client patient(options, log);
    std::stop_source stop;
    std::jthread stopper([&] { stop.request_stop(); });
    CHECK(failure_of([&] { patient.query(endpoint::Nature::read, "RETURN 1", stop.get_token()); }).type() ==
          FailureType::cancelled);
    ::kill(server.pid(), SIGCONT);
}

TEST_CASE("embeddings are read as floats while they arrive; what does not parse is empty") {
    if (!FalkorDb::available()) return;
    FalkorDb server;
    test::RecordingLog log;
    Client client(server.options(), log);
    const auto rows = client.query(
        endpoint::Nature::read,
        "UNWIND ['[1,-2.5, 3e-2]', '[]', '[1,]', '[x]', 'no', '[1'] AS t RETURN '[1]', t", {}, 1);
    REQUIRE(rows.size() == 6);
    CHECK(rows[0][0].text() == "[1]");
    CHECK(std::get<std::vector<float>>(rows[0][1]) == std::vector<float>{1, -2.5F, 3e-2F});
    for (const int bad : {1, 2, 3, 5})
        CHECK(std::get<std::vector<float>>(rows[static_cast<std::size_t>(bad)][1]).empty());
    CHECK(rows[4][1].text() == "no");
}
