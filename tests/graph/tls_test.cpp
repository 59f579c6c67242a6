// rediss:// against the real server behind TLS: what is trusted, and what each refusal says.
#include "graph/tls.hpp"

#include <signal.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <thread>

#include "graph/client.hpp"
#include "support/falkordb.hpp"
#include "support/guarded.hpp"
#include "support/http_double.hpp"
#include "support/process.hpp"
#include "support/recording_log.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait.hpp"

using namespace memoir;
using graph::Client;
using test::FalkorDb;

namespace {

// A directory with a self-signed certificate: its own CA.
struct Certificate {
    explicit Certificate(const std::string& names) : directory(test::temporary_directory("gtl")) {
        const auto made =
            test::run({{"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-keyout", key(), "-out", file(), "-days", "2", "-subj", "/CN=memoir test",
                        "-addext", "subjectAltName=" + names},
                       {},
                       {}});
        REQUIRE(made.code == 0);
    }
    ~Certificate() {
        std::error_code ignored;
        std::filesystem::remove_all(directory, ignored);
    }
    Certificate(const Certificate&) = delete;
    Certificate& operator=(const Certificate&) = delete;
    std::string file() const { return directory + "/certificate.pem"; }
    std::string key() const { return directory + "/key.pem"; }
    std::string directory;
};

// TLS before a FalkorDB.
struct Front {
    Front(const FalkorDb& server, const Certificate& certificate, const std::string& client_ca = {})
        : port(test::free_port()), program(launch(server, certificate, client_ca)) {
        REQUIRE(program.wrote("ready"));
    }
    test::Process::Options launch(const FalkorDb& server, const Certificate& certificate,
                                  const std::string& client_ca) const {
        test::Process::Options options{
            {"python3", "-B", TEST_SUPPORT_DIR "/tls_front.py", std::to_string(port), certificate.file(),
             certificate.key(), server.url().substr(5)},
            {},
            {}};
        if (!client_ca.empty()) options.arguments.push_back(client_ca);
        return options;
    }
    graph::Options options(const std::string& ca_file, const std::string& host = "127.0.0.1") const {
        graph::Options options;
        options.url = "rediss://" + host + ":" + std::to_string(port);
        options.ca_file = ca_file;
        return options;
    }
    int port;
    test::Process program;
};

Failure failure_of(const graph::Options& options, std::stop_token stop = {}) {
    try {
        graph::Connection::connect(options, stop)->command(std::array{std::string("PING")}, stop);
    } catch (const Failure& failure) {
        return failure;
    }
    FAIL("it should have failed");
    throw std::logic_error("unreachable");
}

}  // namespace

TEST_CASE("queries pass through TLS whatever their size, and the user logs in inside it") {
    if (!FalkorDb::available()) return;
    FalkorDb server("--requirepass secret");
    const Certificate certificate("IP:127.0.0.1,DNS:localhost");
    const Front front(server, certificate);
    test::RecordingLog log;
    auto options = front.options(certificate.file(), GENERATE("127.0.0.1", "localhost"));
    options.password = Secret("secret");
    options.timeout = Milliseconds(60'000);
    Client client(options, log);
    // Many records, in both directions.
    const std::string text(300'000, 'x');
    for (int round = 0; round < 2; ++round) {
        const auto rows = client.query(endpoint::Nature::read, "RETURN '" + text + "', 1", {});
        REQUIRE(rows.size() == 1);
        CHECK(rows[0].at(0).text().size() == text.size());
    }
    options.password = Secret("wrong");
    CHECK(failure_of(options).type() == FailureType::blocked);
}

TEST_CASE("a graph's server is trusted by the given CA only, under its own name only") {
    if (!FalkorDb::available()) return;
    FalkorDb server;
    const Certificate certificate("IP:127.0.0.1"), other("IP:127.0.0.1");
    const Front front(server, certificate);
    const auto check = [](const graph::Options& options, const std::string& reason, const std::string& hint) {
        const auto failure = failure_of(options);
        CHECK(failure.type() == FailureType::blocked);
        CHECK_THAT(failure.reason(), Catch::Contains(reason));
        CHECK_THAT(failure.hint, Catch::Contains(hint));
    };
    check(front.options(""), "is not trusted", "graph.ca_file");
    check(front.options(other.file()), "is not trusted", "graph.ca_file");
    check(front.options(certificate.file(), "localhost"), "is for another host", "graph.url");
    check(front.options(certificate.directory + "/absent"), "holds no certificate", "PEM");
    std::ofstream(certificate.directory + "/empty");
    check(front.options(certificate.directory + "/empty"), "holds no certificate", "PEM");
}

TEST_CASE("a server that wants a client's certificate is told from one that is away") {
    const Certificate certificate("IP:127.0.0.1");
    SECTION("TLS 1.2: it refuses the handshake") {
        const auto port = std::to_string(test::free_port());
        test::Process server(
            {{"openssl", "s_server", "-accept", "127.0.0.1:" + port, "-cert", certificate.file(), "-key",
              certificate.key(), "-Verify", "1", "-verify_return_error", "-tls1_2", "-quiet"},
             {},
             {}});
        graph::Options options;
        options.url = "rediss://127.0.0.1:" + port;
        options.ca_file = certificate.file();
        std::optional<Failure> failure;
        CHECK(test::eventually([&] {
            failure = failure_of(options);
            return failure->type() == FailureType::blocked;
        }));
        CHECK_THAT(failure->reason(), Catch::Contains("may want a client certificate"));
        CHECK_THAT(failure->hint, Catch::Contains("tls-auth-clients no"));
    }
    SECTION("TLS 1.3: it ends the connection afterwards") {
        if (!FalkorDb::available()) return;
        FalkorDb server;
        const Front front(server, certificate, certificate.file());
        CHECK_THAT(failure_of(front.options(certificate.file())).reason(),
                   Catch::Contains("may want a client certificate"));
    }
}

TEST_CASE("a port that speaks no TLS is told from a server that is away") {
    if (!FalkorDb::available()) return;
    graph::Options options;
    SECTION("it answers with something else") {
        test::HttpDouble plain([](const test::HttpRequest&) { return test::HttpReply{}; });
        plain.greet("-ERR Protocol error: unknown\r\n");
        options.url = "rediss://127.0.0.1:" + std::to_string(plain.port());
        const auto failure = failure_of(options);
        CHECK(failure.type() == FailureType::blocked);
        CHECK_THAT(failure.reason(), Catch::Contains("speaks no TLS"));
        CHECK_THAT(failure.hint, Catch::Contains("redis://"));
    }
    SECTION("it waits for more") {
        FalkorDb server;
        test::TcpProxy proxy(server.url().substr(5), 0);
        proxy.swallow(true);
        options.url = "rediss://127.0.0.1:" + std::to_string(proxy.port());
        options.timeout = Milliseconds(300);
        const auto failure = failure_of(options);
        CHECK(failure.type() == FailureType::outage);
        CHECK_THAT(failure.reason(), Catch::Contains("no TLS handshake within 300 ms"));
        std::stop_source stop;
        options.timeout = Milliseconds(600'000);
        std::jthread stopper([&] { stop.request_stop(); });
        CHECK(failure_of(options, stop.get_token()).type() == FailureType::cancelled);
    }
    SECTION("nothing listens") {
        options.url = "rediss://127.0.0.1:" + std::to_string(test::free_port());
        CHECK(failure_of(options).type() == FailureType::outage);
    }
}

TEST_CASE("a TLS connection that was cut is an outage, and the next query has a new one") {
    if (!FalkorDb::available()) return;
    FalkorDb server;
    const Certificate certificate("IP:127.0.0.1");
    const Front front(server, certificate);
    test::TcpProxy proxy("127.0.0.1", front.port);
    auto options = front.options(certificate.file());
    options.url = "rediss://127.0.0.1:" + std::to_string(proxy.port());
    auto connection = graph::Connection::connect(options, {});
    const std::array ping{std::string("PING")};
    CHECK(connection->command(ping, {}).text() == "PONG");
    proxy.cut_all();
    try {
        connection->command(ping, {});
        FAIL("it should have failed");
    } catch (const Failure& failure) {
        CHECK(failure.type() == FailureType::ambiguous);
        CHECK_THAT(failure.reason(), Catch::Contains("was cut"));
    }
    CHECK(connection->broken());
    CHECK(graph::Connection::connect(options, {})->command(ping, {}).text() == "PONG");
}
