#include <array>
#include <catch2/catch.hpp>
#include <thread>

#include "pg/connection.hpp"
#include "support/postgres.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait.hpp"

using namespace memoir;
using pg::Connection;
using pg::ErrorClass;
using pg::Params;
using pg::Segment;
using pg::Statement;
using pg::Transaction;
using test::Cluster;
using test::TcpProxy;
using Durability = pg::Transaction::Durability;

namespace {

std::unique_ptr<Connection> connect(const std::string& url = Cluster::shared().url()) {
    return Connection::connect({.conninfo = url});
}

// A table of one unique column, for one test.
class Table {
  public:
    Table() {
        connection_->exec("drop table if exists numbers");
        connection_->exec("create table numbers (n int primary key)");
    }
    ~Table() { connection_->exec("drop table numbers"); }
    std::int64_t count() { return connection_->exec("select count(*) from numbers").integer(0, 0); }
    bool has(int n) {
        return !connection_->exec("select from numbers where n = $1", Params().add(n)).empty();
    }
    Connection& connection() { return *connection_; }

  private:
    std::unique_ptr<Connection> connection_ = connect();
};

Statement insert(int n) {
    return {"insert into numbers values ($1)", Params().add(n)};
}

}  // namespace

TEST_CASE("a commit makes the statements stand, and nothing before it") {
    Table table;
    auto connection = connect();
    Transaction transaction(*connection, Durability::on);
    transaction.exec("insert into numbers values (1)");
    CHECK(table.count() == 0);
    transaction.commit();
    CHECK(table.count() == 1);
    CHECK(connection->reusable());
    CHECK_THROWS_AS(transaction.commit(), pg::Error);  // it has ended
}

TEST_CASE("a transaction left without a commit rolls back") {
    Table table;
    auto connection = connect();
    { Transaction(*connection, Durability::on).exec("insert into numbers values (1)"); }
    { Transaction nothing_sent(*connection, Durability::on); }
    CHECK(table.count() == 0);
    CHECK(connection->reusable());
    Transaction rolled_back(*connection, Durability::on);
    rolled_back.exec("insert into numbers values (1)");
    rolled_back.rollback();
    CHECK(connection->reusable());
    connection->exec("insert into numbers values (1)");
    CHECK(table.count() == 1);
}

TEST_CASE("a transaction is READ COMMITTED with its own lock_timeout, whatever the defaults say") {
    auto connection = connect();
    connection->exec("set default_transaction_isolation = serializable");
    connection->exec("set lock_timeout = 7");
    {
        Transaction transaction(*connection, Durability::off, Milliseconds(1'234));
        CHECK(transaction.exec("show transaction_isolation").string(0, 0) == "read committed");
        CHECK(transaction.exec("show lock_timeout").string(0, 0) == "1234ms");
        CHECK(transaction.exec("show synchronous_commit").string(0, 0) == "off");
        transaction.commit();
    }
    CHECK(connection->exec("show lock_timeout").string(0, 0) == "7ms");
    CHECK(connection->exec("show synchronous_commit").string(0, 0) == "on");
}

TEST_CASE("a lock that is not had in time is a transaction error") {
    Table table;
    table.connection().exec("insert into numbers values (1)");
    auto first = connect(), second = connect();
    Transaction holder(*first, Durability::on);
    holder.exec("select from numbers for update");
    Transaction waiter(*second, Durability::on, Milliseconds(10));
    try {
        waiter.exec("select from numbers for update");
        FAIL("no error");
    } catch (const pg::Error& error) {
        CHECK(error.sqlstate() == "55P03");
        CHECK(error.error_class() == ErrorClass::transaction);
    }
}

TEST_CASE("the last statements and the commit are one round trip") {
    Table table;
    auto connection = connect();
    const std::array statements{insert(1), insert(2), Statement{"select count(*) from numbers", {}}};
    {
        Transaction transaction(*connection, Durability::on);
        const auto results = transaction.commit(statements);
        REQUIRE(results.size() == 3);
        CHECK(results[1].affected() == 1);
        CHECK(results[2].integer(0, 0) == 2);
    }
    CHECK(table.count() == 2);
    CHECK(connection->reusable());
}

TEST_CASE("an error in the last statements rolls everything back") {
    Table table;
    auto connection = connect();
    const std::array statements{insert(3), insert(1), insert(4)};
    table.connection().exec("insert into numbers values (1)");
    Transaction transaction(*connection, Durability::on);
    transaction.exec("insert into numbers values (2)");
    try {
        transaction.commit(statements);
        FAIL("no error");
    } catch (const pg::UnknownOutcome&) {
        FAIL("the outcome is known");
    } catch (const pg::Error& error) {
        CHECK(std::string(error.what()) == "23505 (unique_violation) on numbers_pkey");
    }
    CHECK(table.count() == 1);
    CHECK(connection->reusable());  // also its locks are gone before the destructor
}

TEST_CASE("what is deferred travels with the next statement or the commit, in its order") {
    Table table;
    auto connection = connect();
    {
        Transaction transaction(*connection, Durability::on);
        transaction.defer(insert(1));
        transaction.defer(insert(2));
        CHECK(transaction.exec("select count(*) from numbers").integer(0, 0) == 2);
        transaction.defer(insert(3));
        CHECK(table.count() == 0);
        transaction.commit();
    }
    CHECK(table.count() == 3);
    {
        Transaction transaction(*connection, Durability::on);
        transaction.defer(insert(4));
        const std::array last{insert(5)};
        const auto results = transaction.commit(last);
        REQUIRE(results.size() == 1);
        CHECK(results[0].affected() == 1);
    }
    CHECK(table.count() == 5);
    {
        Transaction transaction(*connection, Durability::on);
        transaction.defer(insert(6));
    }
    CHECK(table.count() == 5);
    CHECK(connection->reusable());
}

TEST_CASE("an error of what was deferred is thrown by what sends it, and nothing stands") {
    Table table;
    auto connection = connect();
    table.connection().exec("insert into numbers values (1)");
    const bool at_commit = GENERATE(true, false);
    Transaction transaction(*connection, Durability::on);
    transaction.exec("insert into numbers values (2)");
    transaction.defer(insert(1));
    transaction.defer(insert(3));
    try {
        if (at_commit)
            transaction.commit();
        else
            transaction.exec("select 1");
        FAIL("no error");
    } catch (const pg::UnknownOutcome&) {
        FAIL("the outcome is known");
    } catch (const pg::Error& error) {
        CHECK(error.sqlstate() == "23505");
    }
    transaction.rollback();
    CHECK(table.count() == 1);
    CHECK(connection->reusable());
}

TEST_CASE("a transaction in which a statement failed cannot be committed") {
    Table table;
    auto connection = connect();
    Transaction transaction(*connection, Durability::on);
    transaction.exec("insert into numbers values (1)");
    CHECK_THROWS_AS(transaction.exec("select 1/0"), pg::Error);
    CHECK_THROWS_AS(transaction.commit(), pg::Error);
    CHECK(table.count() == 0);

    // Nor one whose failure somebody hid behind its back: the server answers such a commit with ROLLBACK.
    Transaction hidden(*connection, Durability::on);
    hidden.exec("insert into numbers values (1)");
    CHECK_THROWS_AS(connection->exec("select 1/0"), pg::Error);
    CHECK_THROWS_AS(hidden.commit(), pg::Error);
    CHECK(table.count() == 0);
    CHECK(connection->reusable());
}

TEST_CASE("an error at the commit itself is a known outcome") {
    auto connection = connect();
    connection->exec("create temp table one (n int unique deferrable initially deferred)");
    Transaction transaction(*connection, Durability::on);
    transaction.exec("insert into one values (1), (1)");
    try {
        transaction.commit();
        FAIL("no error");
    } catch (const pg::UnknownOutcome&) {
        FAIL("the outcome is known");
    } catch (const pg::Error& error) {
        CHECK(error.sqlstate() == "23505");
    }
    CHECK(connection->reusable());

    // The same where an implicit commit ends a segment.
    const std::array segments{Segment{{"insert into one values (1), (1)", {}}}, Segment{{"select 1", {}}}};
    const auto results = connection->pipeline(segments);
    CHECK(std::get<pg::Error>(results[0]).sqlstate() == "23505");
    CHECK(std::get<std::vector<pg::Result>>(results[1])[0].integer(0, 0) == 1);
}

TEST_CASE("a pipeline inside a transaction gives all results or the first error") {
    Table table;
    auto connection = connect();
    Transaction transaction(*connection, Durability::on);
    const std::array good{insert(1), insert(2)};
    const std::array bad{insert(3), insert(1), Statement{"select 1/0", {}}};
    CHECK(transaction.pipeline(good).size() == 2);
    CHECK(transaction.pipeline({}).empty());
    try {
        transaction.pipeline(bad);
        FAIL("no error");
    } catch (const pg::Error& error) {
        CHECK(error.sqlstate() == "23505");
    }
}

TEST_CASE("a connection lost before the commit is a plain error, and nothing stands") {
    Table table;
    auto connection = connect();
    const auto pid = connection->exec("select pg_backend_pid()").integer(0, 0);
    Transaction transaction(*connection, Durability::on);
    transaction.exec("insert into numbers values (1)");
    table.connection().exec("select pg_terminate_backend($1, 10000)", Params().add(pid));
    try {
        transaction.commit();
        FAIL("no error");
    } catch (const pg::UnknownOutcome&) {
        FAIL("nothing was sent");
    } catch (const pg::Error& error) {
        CHECK(error.error_class() == ErrorClass::connection);
    }
    CHECK(table.count() == 0);
}

TEST_CASE("a commit whose reply or request is lost is of unknown outcome") {
    Table table;
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    const auto url = Cluster::shared().tcp_url("memoir", proxy.port());
    for (const bool arrives : {true, false}) {
        auto connection = connect(url);
        Transaction transaction(*connection, Durability::on);
        const int n = arrives ? 1 : 2;
        transaction.exec("insert into numbers values ($1)", Params().add(n));
        if (arrives)
            proxy.drop_replies(1);
        else
            proxy.drop_requests(1);
        CHECK_THROWS_AS(transaction.commit(), pg::UnknownOutcome);
        CHECK(connection->broken());
        // Closing a connection mid-transaction takes the server a moment.
        CHECK(test::eventually([&] { return table.has(n) == arrives; }));
    }
    auto connection = connect(url);
    Transaction transaction(*connection, Durability::on);
    const std::array last{insert(3)};
    proxy.drop_replies(1);
    CHECK_THROWS_AS(transaction.commit(last), pg::UnknownOutcome);
    CHECK(table.has(3));
}

TEST_CASE("a commit that is not answered in time is of unknown outcome") {
    Table table;
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    auto connection = connect(Cluster::shared().tcp_url("memoir", proxy.port()));
    connection->set_timeout(Milliseconds(100));
    Transaction transaction(*connection, Durability::on);
    transaction.exec("insert into numbers values (1)");
    proxy.swallow(true);
    CHECK_THROWS_AS(transaction.commit(), pg::UnknownOutcome);
    proxy.cut_all();
}

TEST_CASE("a stop ends a transaction's statement at once") {
    auto connection = connect(), observer = connect();
    const auto pid = connection->exec("select pg_backend_pid()").integer(0, 0);
    std::stop_source source;
    std::jthread stopper([&] {
        test::eventually([&] {
            return !observer
                        ->exec("select 1 from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'",
                               Params().add(pid))
                        .empty();
        });
        source.request_stop();
    });
    Transaction transaction(*connection, Durability::on, Milliseconds(500), source.get_token());
    try {
        transaction.exec("select pg_sleep(600)");
        FAIL("no error");
    } catch (const pg::UnknownOutcome&) {
        FAIL("nothing was committed");
    } catch (const pg::Error& error) {
        CHECK(error.error_class() == ErrorClass::cancelled);
    }
}

TEST_CASE("segments of a pipeline stand and fall each for itself") {
    Table table;
    auto connection = connect();
    const std::array segments{Segment{insert(1), insert(2)}, Segment{insert(3), insert(1)},
                              Segment{insert(4), {"select count(*) from numbers", {}}}, Segment{}};
    const auto results = connection->pipeline(segments);
    REQUIRE(results.size() == 4);
    CHECK(std::get<std::vector<pg::Result>>(results[0]).size() == 2);
    CHECK(std::get<pg::Error>(results[1]).sqlstate() == "23505");
    CHECK(std::get<std::vector<pg::Result>>(results[2])[1].integer(0, 0) == 3);
    CHECK(std::get<std::vector<pg::Result>>(results[3]).empty());
    CHECK(table.count() == 3);
    CHECK(connection->reusable());
    CHECK(connection->pipeline({}).empty());
}

TEST_CASE("a pipeline far larger than every buffer does not block itself") {
    auto connection = connect();
    connection->set_timeout(Milliseconds(60'000));
    // 20 MB there and 20 MB back: neither fits into sockets or libpq's buffers.
    const std::string block(10'000, 'x');
    std::vector<Segment> segments(20);
    for (auto& segment : segments)
        for (int i = 0; i < 100; ++i) segment.push_back({"select $1::text", Params().add(block)});
    const auto results = connection->pipeline(segments);
    REQUIRE(results.size() == segments.size());
    for (const auto& result : results) {
        const auto& rows = std::get<std::vector<pg::Result>>(result);
        CHECK(rows.size() == 100);
        CHECK(rows.back().text(0, 0) == block);
    }
}

TEST_CASE("a pipeline that loses its connection is of unknown outcome") {
    Table table;
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    auto connection = connect(Cluster::shared().tcp_url("memoir", proxy.port()));
    const std::array segments{Segment{insert(1)}, Segment{insert(2)}};
    proxy.drop_replies(1);
    CHECK_THROWS_AS(connection->pipeline(segments), pg::UnknownOutcome);
    CHECK(test::eventually([&] { return table.count() == 2; }));
}

TEST_CASE("only a durable commit waits for the disk") {
    Cluster cluster({.fsync = true,
                     .config = {"wal_writer_delay = 10s", "wal_writer_flush_after = 0", "autovacuum = off",
                                "bgwriter_lru_maxpages = 0"}});
    auto connection = connect(cluster.url()), observer = connect(cluster.url());
    connection->exec("create table numbers (n int)");
    // Up to where the log is on the disk; the statistics that count syncs differ between versions.
    const auto flushed = [&] {
        return observer->exec("select (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint").integer(0, 0);
    };
    const auto flushes_of = [&](Durability durability) {
        observer->exec("checkpoint");
        int flushes = 0;
        for (int i = 0; i < 50; ++i) {
            const auto before = flushed();
            Transaction transaction(*connection, durability);
            transaction.exec("insert into numbers values (1)");
            transaction.commit();
            if (flushed() > before) ++flushes;
        }
        return flushes;
    };
    CHECK(flushes_of(Durability::on) == 50);
    CHECK(flushes_of(Durability::off) <= 5);
}
