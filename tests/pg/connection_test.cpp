#include "pg/connection.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <thread>

#include "pg/conninfo.hpp"
#include "support/guarded.hpp"
#include "support/postgres.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait.hpp"

using namespace memoir;
using pg::Connection;
using pg::ErrorClass;
using test::Cluster;
using test::TcpProxy;

namespace {

std::unique_ptr<Connection> connect(const std::string& url = Cluster::shared().url()) {
    return Connection::connect({.conninfo = url});
}

int pid_of(Connection& connection) {
    return static_cast<int>(connection.exec("select pg_backend_pid()").integer(0, 0));
}

// Waits until the server has that backend in the wait event or state asked for.
void await_backend(Connection& observer, int pid, const std::string& condition) {
    REQUIRE(test::eventually([&] {
        return !observer
                    .exec("select 1 from pg_stat_activity where pid = $1 and " + condition,
                          pg::Params().add(pid))
                    .empty();
    }));
}

void terminate(Connection& observer, int pid) {
    observer.exec("select pg_terminate_backend($1, 10000)", pg::Params().add(pid));
}

struct Caught {
    std::string kind = "nothing", text, sqlstate;
    ErrorClass error_class{};
};

template <typename Action>
Caught caught(Action&& action) {
    try {
        action();
    } catch (const pg::UnknownOutcome& error) {
        return {"unknown outcome", error.what(), error.sqlstate(), error.error_class()};
    } catch (const pg::Error& error) {
        return {"error", error.what(), error.sqlstate(), error.error_class()};
    }
    return {};
}

}  // namespace

TEST_CASE("answers a statement over socket and TCP, as URI and as keywords") {
    auto& cluster = Cluster::shared();
    for (const auto& conninfo : {cluster.url(), cluster.tcp_url(),
                                 "host=" + cluster.directory() + " port=" + std::to_string(cluster.port()) +
                                     " user=postgres dbname=memoir",
                                 "host=localhost hostaddr=127.0.0.1 port=" + std::to_string(cluster.port()) +
                                     " user=postgres dbname=memoir",
                                 "postgresql://postgres@localhost:" + std::to_string(cluster.port()) +
                                     "/memoir?keepalives_idle=5"}) {
        INFO(conninfo);
        auto connection = connect(conninfo);
        CHECK(connection->exec("select $1::int + 1", pg::Params().add(41)).integer(0, 0) == 42);
        CHECK(connection->exec("show client_encoding").string(0, 0) == "UTF8");
        CHECK(connection->exec("show application_name").string(0, 0) == "memoird");
        CHECK(connection->server_version() > 0);
    }
}

TEST_CASE("prints no notice of the server") {
    auto connection = connect();
    // libpq's default prints to standard error.
    const auto path = Cluster::shared().directory() + "/stderr";
    const int kept = dup(2), file = open(path.c_str(), O_CREAT | O_WRONLY, 0600);
    dup2(file, 2);
    connection->exec("do $$ begin raise warning 'i-told-nobody'; end $$");
    dup2(kept, 2);
    close(kept);
    close(file);
    CHECK(test::read_file(path).empty());
}

TEST_CASE("takes the next host when one refuses, has no address or never answers") {
    auto& cluster = Cluster::shared();
    TcpProxy dead("127.0.0.1", cluster.port()), refusing("127.0.0.1", cluster.port());
    dead.swallow(true);
    refusing.refuse(true);
    const auto ports = std::to_string(refusing.port()) + ",1," + std::to_string(dead.port()) + "," +
                       std::to_string(cluster.port());
    auto connection = Connection::connect(
        {.conninfo = "host=127.0.0.1,no-such-name.invalid,127.0.0.1,127.0.0.1 port=" + ports +
                     " user=postgres dbname=memoir",
         .connect_timeout = Milliseconds(1'000)});
    CHECK(connection->exec("select 1").rows() == 1);
    CHECK(dead.accepted() == 1);
}

TEST_CASE("honours target_session_attrs over several hosts") {
    auto& cluster = Cluster::shared();
    const auto both =
        "host=127.0.0.1,127.0.0.1 user=postgres dbname=memoir port=" + std::to_string(cluster.port());
    CHECK(connect(both + " target_session_attrs=read-write"));
    CHECK(connect(both + " target_session_attrs=prefer-standby"));  // there is none: any will do
    const auto none = caught([&] { connect(both + " target_session_attrs=standby"); });
    CHECK(none.kind == "error");
    CHECK(none.error_class == ErrorClass::connection);
}

TEST_CASE("gives up connecting to a host that accepts and says nothing, at the deadline") {
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    proxy.swallow(true);
    const auto start = Steady::now();
    const auto error = caught([&] {
        Connection::connect({.conninfo = Cluster::shared().tcp_url("memoir", proxy.port()),
                             .connect_timeout = Milliseconds(200)});
    });
    CHECK(error.text == "connect: timed out after 200 ms");
    CHECK(error.error_class == ErrorClass::connection);
    CHECK(Steady::now() - start >= Milliseconds(200));
    CHECK(Steady::now() - start < Milliseconds(8'000));  // the default is 10 s
}

TEST_CASE("gives up connecting to an address that swallows packets, at the deadline") {
    // TEST-NET-1 is nobody's; where the network says so at once that is an answer too.
    const auto start = Steady::now();
    const auto error = caught([&] {
        Connection::connect(
            {.conninfo = "host=192.0.2.1 user=u dbname=d", .connect_timeout = Milliseconds(200)});
    });
    CHECK(error.error_class == ErrorClass::connection);
    CHECK(Steady::now() - start < Milliseconds(8'000));  // the default is 10 s
}

TEST_CASE("a stop ends connecting at once") {
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    proxy.swallow(true);
    std::stop_source source;
    std::jthread stopper([&] {
        test::eventually([&] { return proxy.accepted() == 1; });
        source.request_stop();
    });
    const auto error = caught([&] {
        Connection::connect({.conninfo = Cluster::shared().tcp_url("memoir", proxy.port())},
                            source.get_token());
    });
    CHECK(error.error_class == ErrorClass::cancelled);
    CHECK(caught([&] {
              Connection::connect({.conninfo = Cluster::shared().url()}, source.get_token());
          }).error_class == ErrorClass::cancelled);
}

TEST_CASE("says what keeps it from connecting") {
    auto& cluster = Cluster::shared();
    CHECK(caught([&] { connect(cluster.url("no_such_database")); }).sqlstate == "3D000");
    CHECK(caught([&] {
              connect("postgresql://nobody@127.0.0.1:" + std::to_string(cluster.port()) + "/memoir");
          }).error_class == ErrorClass::permission);
    const auto tls = caught([&] { connect(cluster.tcp_url() + "?sslmode=require"); });
    CHECK(tls.text == "connect: the server offers no TLS, which sslmode asks for");
    CHECK(caught([&] { connect("host=/nowhere user=u"); }).text == "connect: refused: no such socket");
    CHECK(caught([&] { connect("postgresql://u@no-such-name.invalid/d"); }).text ==
          "connect: the host name does not resolve");
    CHECK(caught([&] { connect("host=a,b port=1,2,3"); }).error_class == ErrorClass::other);
}

TEST_CASE("a statement's own error leaves the connection usable") {
    auto connection = connect();
    CHECK(caught([&] { connection->exec("select 1/0"); }).sqlstate == "22012");
    CHECK(caught([&] { connection->exec("selec 1"); }).error_class == ErrorClass::other);
    CHECK_FALSE(connection->broken());
    CHECK(connection->exec("select 1").integer(0, 0) == 1);
    CHECK(connection->reusable());
}

TEST_CASE("several statements are one round trip and one transaction") {
    const auto connection = Connection::connect({.conninfo = Cluster::shared().url()});
    connection->exec("create temp table numbers (n int primary key)");
    const std::vector<pg::Statement> statements{{"insert into numbers values (1)", {}},
                                                {"select n from numbers", {}}};
    const auto results = connection->exec(statements);
    REQUIRE(results.size() == 2);
    CHECK(results[1].integer(0, 0) == 1);
    const std::vector<pg::Statement> failing{{"insert into numbers values (2)", {}},
                                             {"insert into numbers values (1)", {}}};
    CHECK_THROWS_AS(connection->exec(failing), pg::Error);
    CHECK(connection->exec("select count(*) from numbers").integer(0, 0) == 1);
    CHECK(connection->exec(std::span<const pg::Statement>()).empty());
}

TEST_CASE("a statement deadline breaks the connection, leaves the outcome open and cancels on the server") {
    auto connection = connect(), observer = connect();
    const int pid = pid_of(*connection);
    connection->set_timeout(Milliseconds(100));
    const auto error = caught([&] { connection->exec("select pg_sleep(600)"); });
    CHECK(error.kind == "unknown outcome");
    CHECK(error.text == "no answer within 100 ms");
    CHECK(error.error_class == ErrorClass::connection);
    CHECK(connection->broken());
    CHECK_FALSE(connection->reusable());
    CHECK(test::eventually([&] {
        return observer->exec("select 1 from pg_stat_activity where pid = $1", pg::Params().add(pid)).empty();
    }));
    CHECK(caught([&] { connection->exec("select 1"); }).kind == "error");  // nothing is sent any more
}

TEST_CASE("a half-open connection ends at the statement deadline") {
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    auto connection = connect(Cluster::shared().tcp_url("memoir", proxy.port()));
    connection->set_timeout(Milliseconds(100));
    CHECK(connection->exec("select 1").rows() == 1);
    proxy.swallow(true);
    const auto start = Steady::now();
    CHECK(caught([&] { connection->exec("select 1"); }).kind == "unknown outcome");
    connection.reset();
    CHECK(Steady::now() - start < Milliseconds(10'000));  // the connection's own limit is 30 s
}

TEST_CASE("a stop ends a statement within milliseconds") {
    auto connection = connect(), observer = connect();
    const int pid = pid_of(*connection);
    std::stop_source source;
    TimePoint asked;
    std::jthread stopper([&] {
        await_backend(*observer, pid, "wait_event = 'PgSleep'");
        asked = Steady::now();
        source.request_stop();
    });
    const auto error = caught([&] { connection->exec("select pg_sleep(600)", {}, source.get_token()); });
    const auto took = Steady::now() - asked;
    CHECK(error.error_class == ErrorClass::cancelled);
    CHECK(error.kind == "unknown outcome");
    CHECK(took < Milliseconds(10'000));  // milliseconds, on a machine that has time; the sleep is of minutes
    CHECK(connection->broken());
}

TEST_CASE("a stop asked for before a statement sends nothing and breaks nothing") {
    auto connection = connect();
    std::stop_source source;
    source.request_stop();
    const auto error = caught([&] { connection->exec("select 1", {}, source.get_token()); });
    CHECK(error.kind == "error");
    CHECK(error.error_class == ErrorClass::cancelled);
    CHECK(connection->exec("select 1").rows() == 1);  // the wake-up of the old stop is forgotten
}

TEST_CASE("a backend terminated between two statements leaves no outcome open") {
    auto connection = connect(), observer = connect();
    terminate(*observer, pid_of(*connection));
    const auto error = caught([&] { connection->exec("create table must_not_exist ()"); });
    CHECK(error.kind == "error");
    CHECK(error.error_class == ErrorClass::connection);
    CHECK(connection->broken());
    CHECK(observer->exec("select to_regclass('must_not_exist')").is_null(0, 0));
}

TEST_CASE("a backend terminated during a statement leaves the outcome open and says why") {
    auto connection = connect(), observer = connect();
    const int pid = pid_of(*connection);
    std::jthread terminator([&] {
        await_backend(*observer, pid, "wait_event = 'PgSleep'");
        terminate(*observer, pid);
    });
    const auto error = caught([&] { connection->exec("select pg_sleep(600)"); });
    CHECK(error.kind == "unknown outcome");
    CHECK(error.sqlstate == "57P01");
    CHECK(connection->broken());
}

TEST_CASE("an immediate stop of the server is noticed, and a start makes it whole") {
    Cluster cluster;
    auto connection = connect(cluster.url());
    cluster.stop(Cluster::Stop::immediate);
    CHECK(caught([&] { connection->exec("select 1"); }).error_class == ErrorClass::connection);
    CHECK(caught([&] { connect(cluster.url()); }).text == "connect: refused: no such socket");
    cluster.start();
    CHECK(connect(cluster.url())->exec("select 1").rows() == 1);
    cluster.stop(Cluster::Stop::kill);
    cluster.start();
    CHECK(connect(cluster.url())->exec("select 1").rows() == 1);
}

TEST_CASE("a lost reply leaves the outcome open and the statement done") {
    auto observer = connect();
    observer->exec("create table lost_reply (n int)");
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    auto connection = connect(Cluster::shared().tcp_url("memoir", proxy.port()));
    proxy.drop_replies(1, "insert into lost_reply");
    const auto error = caught([&] { connection->exec("insert into lost_reply values (1)"); });
    CHECK(error.kind == "unknown outcome");
    CHECK(proxy.dropped() == 1);
    CHECK(observer->exec("select count(*) from lost_reply").integer(0, 0) == 1);
    connection = connect(Cluster::shared().tcp_url("memoir", proxy.port()));
    proxy.drop_requests(1, "insert into lost_reply");
    CHECK(caught([&] { connection->exec("insert into lost_reply values (2)"); }).kind == "unknown outcome");
    CHECK(observer->exec("select count(*) from lost_reply").integer(0, 0) == 1);
    observer->exec("drop table lost_reply");
}

TEST_CASE("knows where to connect to from string, service file and environment") {
    CHECK(pg::read_conninfo("host=a,b port=5").targets.size() == 2);
    CHECK(pg::read_conninfo("host=a,b port=5,6").targets[1].port == "6");
    CHECK(pg::read_conninfo("host=/run/x").targets[0].is_socket());
    CHECK(pg::read_conninfo("postgresql://[::1]:99/x").targets[0].host == "::1");
    CHECK(pg::read_conninfo("hostaddr=10.0.0.1").targets[0].address == "10.0.0.1");
    CHECK(pg::read_conninfo("dbname=x keepalives_idle=3").has_keepalive);
    CHECK_FALSE(pg::read_conninfo("memoir").has_keepalive);
    CHECK(pg::conninfo_parses("postgresql:///memoir"));
    CHECK_FALSE(pg::conninfo_parses("postgresql://[broken/x"));

    const auto file = Cluster::shared().directory() + "/service.conf";
    {
        std::unique_ptr<FILE, decltype(&fclose)> out(fopen(file.c_str(), "w"), &fclose);
        fputs("[memory]\nhost=from-service\nport=7777\n", out.get());
    }
    setenv("PGSERVICEFILE", file.c_str(), 1);
    CHECK(pg::read_conninfo("service=memory").targets.at(0).host == "from-service");
    CHECK(pg::read_conninfo("service=memory").targets.at(0).port == "7777");
    unsetenv("PGSERVICEFILE");
    setenv("PGHOST", "from-environment", 1);
    CHECK(pg::read_conninfo("dbname=x").targets.at(0).host == "from-environment");
    CHECK(pg::read_conninfo("host=explicit").targets.at(0).host == "explicit");
    unsetenv("PGHOST");
}
