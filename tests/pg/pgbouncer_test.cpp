#include "support/pgbouncer.hpp"

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "pg/pool.hpp"
#include "support/postgres.hpp"

using namespace memoir;
using pg::Params;
using pg::Segment;
using pg::Transaction;
using test::Cluster;

TEST_CASE("everything but LISTEN works through PgBouncer in transaction mode") {
    // One server connection for all: whatever leaned on a session would meet the other client's.
    test::PgBouncer bouncer(Cluster::shared(), {"default_pool_size = 1"});
    auto one = pg::Connection::connect({.conninfo = bouncer.url()});
    auto two = pg::Connection::connect({.conninfo = bouncer.url()});
    one->exec("drop table if exists pooled");
    one->exec("create table pooled (n int primary key)");

    CHECK(one->exec("select $1::text", Params().add("grüße")).string(0, 0) == "grüße");
    const std::array segments{Segment{{"insert into pooled values (1)", {}}},
                              Segment{{"insert into pooled values (1)", {}}},
                              Segment{{"insert into pooled values (2)", {}}}};
    const auto results = two->pipeline(segments);
    REQUIRE(results.size() == 3);
    CHECK(std::get<pg::Error>(results[1]).sqlstate() == "23505");
    CHECK(one->exec("select count(*) from pooled").integer(0, 0) == 2);

    for (auto* connection : {one.get(), two.get(), one.get()}) {
        Transaction transaction(*connection, Transaction::Durability::off, Milliseconds(321));
        CHECK(transaction.exec("show lock_timeout").string(0, 0) == "321ms");
        CHECK(transaction.exec("show synchronous_commit").string(0, 0) == "off");
        transaction.exec("update pooled set n = n + 10");
        const std::array last{pg::Statement{"select count(*) from pooled", {}}};
        CHECK(transaction.commit(last)[0].integer(0, 0) == 2);
    }
    // Nothing of a transaction's settings stays on the server connection for its next user.
    CHECK(two->exec("show lock_timeout").string(0, 0) == "0");
    CHECK(two->exec("show synchronous_commit").string(0, 0) == "on");
    CHECK(one->reusable());
    one->exec("drop table pooled");
}

TEST_CASE("a deadline through PgBouncer cancels the statement on the server") {
    test::PgBouncer bouncer(Cluster::shared(), {"default_pool_size = 1"});
    auto connection = pg::Connection::connect({.conninfo = bouncer.url()});
    connection->set_timeout(Milliseconds(50));
    CHECK_THROWS_AS(connection->exec("select pg_sleep(600)"), pg::UnknownOutcome);
    // The only server connection comes free again.
    auto next = pg::Connection::connect({.conninfo = bouncer.url()});
    CHECK(next->exec("select 1").rows() == 1);
}

TEST_CASE("many checkouts share few server connections through PgBouncer") {
    test::PgBouncer bouncer(Cluster::shared(), {"default_pool_size = 2"});
    pg::Pool pool({.conninfo = bouncer.url()}, 8);
    std::atomic<int> committed{0};
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 8; ++i)
            threads.emplace_back([&] {
                try {
                    for (int turn = 0; turn < 20; ++turn) {
                        auto connection = pool.acquire();
                        Transaction transaction(*connection, Transaction::Durability::off);
                        transaction.exec("select pg_sleep(0.001)");
                        transaction.commit();
                        ++committed;
                    }
                } catch (const pg::Error&) {
                    // the count tells
                }
            });
    }
    CHECK(committed == 160);
}
