#include <catch2/catch.hpp>

#include "support/postgres.hpp"

using namespace memoir;
using test::Cluster;

TEST_CASE("answers a statement") {
    auto connection = pg::Connection::connect({.conninfo = Cluster::shared().url()});
    CHECK(connection->exec("select $1::int + 1", pg::Params().add(41)).integer(0, 0) == 42);
    pg::Transaction transaction(*connection, pg::Transaction::Durability::off);
    CHECK(transaction.exec("select current_setting('synchronous_commit')").string(0, 0) == "off");
    transaction.commit();
    CHECK(connection->exec("select current_setting('synchronous_commit')").string(0, 0) == "on");
}

TEST_CASE("gives each test a schema of its own") {
    test::TestSchema schema;
    const auto pid = schema.memory("hello");
    CHECK(schema.job(pid, "embed") > 0);
    CHECK(schema.number("select count(*) from $schema.memory_jobs where source_pid = $1",
                        pg::Params().add(pid)) == 1);
}
