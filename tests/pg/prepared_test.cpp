#include <array>
#include <catch2/catch.hpp>

#include "queue/claim.hpp"
#include "support/pgbouncer.hpp"
#include "support/postgres.hpp"
#include "support/wait.hpp"

using namespace memoir;
using pg::Params;
using pg::Segment;
using pg::Statement;
using pg::Transaction;
using test::Cluster;
using test::TestSchema;

namespace {

Statement repeated(std::string sql, Params params = {}) {
    return {std::move(sql), std::move(params), true};
}

std::int64_t prepared(pg::Connection& connection) {
    return connection.exec("select count(*) from pg_prepared_statements").integer(0, 0);
}

}  // namespace

TEST_CASE("a repeated statement is prepared once a connection") {
    auto connection = pg::Connection::connect({.conninfo = Cluster::shared().url()});
    CHECK(connection->exec("select $1::integer", Params().add(1)).integer(0, 0) == 1);
    CHECK(prepared(*connection) == 0);
    for (int number = 0; number < 10; ++number)
        CHECK(connection->exec(repeated("select $1::integer", Params().add(number))).integer(0, 0) == number);
    CHECK(prepared(*connection) == 1);
    const std::array segments{Segment{repeated("select $1::integer", Params().add(3))},
                              Segment{repeated("select $1::integer + 1", Params().add(3)), {"select 7", {}}}};
    const auto results = connection->pipeline(segments);
    CHECK(std::get<std::vector<pg::Result>>(results[0]).at(0).integer(0, 0) == 3);
    CHECK(std::get<std::vector<pg::Result>>(results[1]).at(0).integer(0, 0) == 4);
    CHECK(std::get<std::vector<pg::Result>>(results[1]).at(1).integer(0, 0) == 7);
    CHECK(prepared(*connection) == 2);
}

TEST_CASE("a repeated statement begins a transaction like any other") {
    auto connection = pg::Connection::connect({.conninfo = Cluster::shared().url()});
    {
        Transaction transaction(*connection, Transaction::Durability::off);
        CHECK(transaction.exec(repeated("select $1::text", Params().add("a"))).string(0, 0) == "a");
        CHECK(transaction.exec("show synchronous_commit").string(0, 0) == "off");
        transaction.commit();
    }
    {
        Transaction transaction(*connection, Transaction::Durability::on);
        CHECK_THROWS_AS(transaction.exec(repeated("select * from nowhere")), pg::Error);
    }
    CHECK(connection->reusable());
    CHECK(prepared(*connection) == 2);  // the first one, and the second transaction's own settings
}

TEST_CASE("through a pooler that keeps none, nothing is prepared, and no setting stays behind") {
    test::PgBouncer bouncer(Cluster::shared(), {"default_pool_size = 1"}, test::PgBouncer::Statements::lost);
    auto one = pg::Connection::connect({.conninfo = bouncer.url()});
    auto two = pg::Connection::connect({.conninfo = bouncer.url()});
    for (auto* connection : {one.get(), two.get(), one.get()})
        CHECK(connection->exec(repeated("select $1::integer", Params().add(5))).integer(0, 0) == 5);
    Statement in_order = repeated("select current_setting('enable_sort')");
    in_order.in_order = true;
    const std::array segments{Segment{in_order, {"select 7", {}}}, Segment{{"select 8", {}}}};
    const auto results = one->pipeline(segments);
    CHECK(std::get<std::vector<pg::Result>>(results[0]).at(0).string(0, 0) == "off");
    CHECK(std::get<std::vector<pg::Result>>(results[0]).at(1).integer(0, 0) == 7);
    CHECK(std::get<std::vector<pg::Result>>(results[1]).at(0).integer(0, 0) == 8);
    CHECK(prepared(*one) == 0);
    CHECK(two->exec("show enable_sort").string(0, 0) == "on");
    CHECK(two->exec("show enable_seqscan").string(0, 0) == "on");
}

TEST_CASE("through a pooler that keeps them, statements are prepared once for all its clients") {
    if (!test::PgBouncer::keeps_statements()) return;
    test::PgBouncer bouncer(Cluster::shared(), {"default_pool_size = 2"});
    auto one = pg::Connection::connect({.conninfo = bouncer.url()});
    auto two = pg::Connection::connect({.conninfo = bouncer.url()});
    const auto doubled = [](int number) {
        return repeated("select $1::integer * 2, current_setting('enable_seqscan')", Params().add(number));
    };
    for (int number = 0; number < 5; ++number)
        for (auto* connection : {one.get(), two.get()}) {
            const auto result = connection->exec(doubled(number));
            CHECK(result.integer(0, 0) == 2 * number);
            CHECK(result.string(0, 1) == "off");  // for what is planned now and kept
        }
    const auto uses = [](pg::Connection& connection, const std::string& text) {
        return connection
            .exec(
                "select coalesce(sum(generic_plans + custom_plans), 0)::bigint from pg_prepared_statements "
                "where strpos(statement, $1) = 1",
                Params().add(text))
            .integer(0, 0);
    };
    CHECK(uses(*one, "select $1::integer * 2") == 10);
    {
        // Two server connections at once: the second one is taught what the client prepared on the first.
        Transaction holding(*two, Transaction::Durability::on);
        holding.exec("select 1");
        CHECK(one->exec(doubled(9)).integer(0, 0) == 18);
        CHECK(one->exec("show enable_seqscan").string(0, 0) == "on");
        holding.commit();
    }
    CHECK(one->exec("select count(*) from pg_prepared_statements where name like 'memoird%'").integer(0, 0) ==
          0);
    CHECK(one->reusable());
}

TEST_CASE("a statement whose table changed under it is tried again on another connection") {
    TestSchema schema;
    schema.sql("create table $schema.changing (value integer)");
    auto connection = schema.connect();
    const auto sql = "select value from \"" + schema.name() + "\".changing";
    CHECK(connection->exec(repeated(sql)).rows() == 0);
    schema.sql("alter table $schema.changing alter value type text");
    try {
        connection->exec(repeated(sql));
        FAIL("its plan fits no more");
    } catch (const pg::Error& error) {
        CHECK(error.error_class() == pg::ErrorClass::transaction);
    }
    CHECK_FALSE(connection->reusable());
    CHECK(schema.connect()->exec(repeated(sql)).rows() == 0);
}

TEST_CASE("a claim that was prepared on an empty queue takes the index on a long one") {
    TestSchema schema;
    auto connection = schema.connect();
    const auto claim = [&] {
        return connection->exec(queue::claim(schema.name(), "somebody", "embed", {}, 1, true));
    };
    for (int number = 0; number < 10; ++number) CHECK(claim().empty());
    schema.sql(
        "insert into $schema.memories (pid, agent_id, org_id, user_id, content) values ('m', 'a', 'o', 'u', "
        "'x')");
    schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind) select 'm', 'categorize' from "
        "generate_series(1, 5000)");
    Transaction transaction(*connection, Transaction::Durability::off);
    CHECK(transaction.exec(queue::claim(schema.name(), "somebody", "embed", {}, 1, true)).empty());
    const auto read = transaction.exec(
        "select coalesce(sum(seq_tup_read), 0)::bigint from pg_stat_xact_all_tables where schemaname = $1 "
        "and relname = 'memory_jobs'",
        Params().add(schema.name()));
    CHECK(read.integer(0, 0) == 0);
}

TEST_CASE("a claim goes along its index whatever the statistics of the queue say") {
    for (const bool indexed : {true, false}) {
        TestSchema schema;
        schema.sql("analyze $schema.memory_jobs");
        schema.sql(
            "insert into $schema.memories (pid, agent_id, org_id, user_id, content) values ('m', 'a', 'o', "
            "'u', 'x')");
        schema.sql(
            "insert into $schema.memory_jobs (source_pid, kind, state, claimed_at, created_at) select 'm', "
            "'embed', 'claimed', now(), now() - n * interval '1 second' from generate_series(1, 3000) n");
        schema.sql("analyze $schema.memory_jobs");  // none pending
        schema.sql("update $schema.memory_jobs set state = 'pending', claimed_at = null");
        const auto read = [&] {
            return schema.number(
                "select coalesce(sum(idx_tup_read), 0)::bigint from pg_stat_all_indexes where schemaname = "
                "'$schema' and indexrelname like '%pending_idx'");
        };
        const auto before = read();
        {
            auto connection = schema.connect();
            for (int number = 0; number < 20; ++number)
                CHECK(connection->exec(queue::claim(schema.name(), "me", "embed", {}, 1, indexed)).rows() ==
                      1);
        }
        CHECK(test::eventually([&] { return read() > before; }));  // told when the session ends
        INFO(indexed);
        CHECK(read() - before < 3'000);  // a sort would have read as many for each claim
    }
}
