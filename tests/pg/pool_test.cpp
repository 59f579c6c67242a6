#include "pg/pool.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <mutex>
#include <thread>

#include "pg/backoff.hpp"
#include "support/postgres.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait.hpp"

using namespace memoir;
using pg::ErrorClass;
using pg::Params;
using pg::Pool;
using test::Cluster;
using test::TcpProxy;

namespace {

// Writes down what a pool reports.
class Witness {
  public:
    Pool::Observer observer() {
        return {[this](const pg::Error& error) { note("down: " + std::string(error.what())); },
                [this] { note("up"); }};
    }
    std::vector<std::string> seen() const {
        std::lock_guard lock(mutex_);
        return seen_;
    }

  private:
    void note(std::string text) {
        std::lock_guard lock(mutex_);
        seen_.push_back(std::move(text));
    }
    mutable std::mutex mutex_;
    std::vector<std::string> seen_;
};

std::int64_t pid_of(pg::Connection& connection) {
    return connection.exec("select pg_backend_pid()").integer(0, 0);
}

pg::Error error_of(Pool& pool, Milliseconds wait, std::stop_token stop = {}) {
    try {
        pool.acquire(stop, wait);
    } catch (const pg::Error& error) {
        return error;
    }
    FAIL("no error");
    throw;
}

pg::ConnectOptions direct() {
    return {.conninfo = Cluster::shared().url()};
}

}  // namespace

TEST_CASE("the wait after failed connects doubles up to five seconds, less up to a half") {
    const int expected[] = {100, 200, 400, 800, 1'600, 3'200, 5'000, 5'000};
    for (int n = 1; n <= 8; ++n) {
        CHECK(pg::backoff(n, 0.0) == Milliseconds(expected[n - 1]));
        CHECK(pg::backoff(n, 0.999) > Milliseconds(expected[n - 1] / 2 - 1));
        CHECK(pg::backoff(n, 0.5) < pg::backoff(n, 0.0));
    }
    CHECK(pg::backoff(1'000'000, 0.0) == Milliseconds(5'000));
    CHECK(pg::backoff(10, 0.0, Milliseconds(350)) == Milliseconds(350));
}

TEST_CASE("a pool opens on demand and gives the last returned connection first") {
    Pool pool(direct(), 3);
    CHECK(pool.up());
    std::int64_t first = 0, second = 0;
    {
        auto one = pool.acquire();
        first = pid_of(*one);
        {
            auto two = pool.acquire();
            second = pid_of(*two);
            CHECK(pool.in_use() == 2);
        }
        CHECK(pid_of(*pool.acquire()) == second);
    }
    CHECK(first != second);
    CHECK(pid_of(*pool.acquire()) == first);
    CHECK(pool.in_use() == 0);
    CHECK(pool.size() == 3);
    CHECK(pool.up());
}

TEST_CASE("a pool never has more connections than its size, and hands them on") {
    Pool pool(direct(), 2);
    std::atomic<int> now{0}, most{0};
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 8; ++i)
            threads.emplace_back([&] {
                for (int turn = 0; turn < 20; ++turn) {
                    auto connection = pool.acquire();
                    const int mine = ++now;
                    for (int seen = most; seen < mine && !most.compare_exchange_weak(seen, mine);) {
                    }
                    connection->exec("select 1");
                    if (turn == 0) test::eventually([&] { return most >= 2; });
                    --now;
                }
            });
    }
    CHECK(most == 2);
}

TEST_CASE("acquire gives up when nothing comes free, and at once when told to stop") {
    Pool pool(direct(), 1);
    auto connection = pool.acquire();
    const auto late = error_of(pool, Milliseconds(20));
    CHECK(late.error_class() == ErrorClass::connection);
    CHECK(std::string(late.what()) == "no connection of the pool came free within 20 ms");

    std::stop_source source;
    std::atomic<bool> waiting{false};
    TimePoint asked;
    std::jthread stopper([&] {
        test::eventually([&] { return waiting.load(); });
        asked = Steady::now();
        source.request_stop();
    });
    waiting = true;
    CHECK(error_of(pool, std::chrono::seconds(60), source.get_token()).error_class() ==
          ErrorClass::cancelled);
    CHECK(Steady::now() - asked < std::chrono::seconds(20));  // a third of what it would have waited
}

TEST_CASE("a party holds at most half of a pool, others are served before it goes on") {
    Pool pool(direct(), 4);
    std::atomic<int> served = 0;
    std::atomic<bool> done = false;
    std::vector<std::jthread> many;
    for (int i = 0; i < 3; ++i)
        many.emplace_back([&] {
            const Pool::Party party("many");
            auto connection = pool.acquire();
            ++served;
            test::eventually([&] { return done.load(); });
        });
    CHECK(test::eventually([&] { return served == 2; }));
    {
        const Pool::Party other("other");
        auto connection = pool.acquire({}, Milliseconds(5'000));
        const Pool::Party nobody("");
        auto another = pool.acquire({}, Milliseconds(5'000));
        CHECK(pool.in_use() == 4);
    }
    CHECK(served == 2);
    done = true;
    CHECK(test::eventually([&] { return served == 3; }));
}

TEST_CASE("a party of a pool of one is served") {
    Pool pool(direct(), 1);
    const Pool::Party party("lane");
    pool.acquire({}, Milliseconds(5'000))->exec("select 1");
    CHECK(pool.in_use() == 0);
}

TEST_CASE("a party that could not connect gives its place back") {
    Pool pool({.conninfo = "host=127.0.0.1 port=1", .longest_backoff = Milliseconds(5)}, 2);
    const Pool::Party party("lane");
    for (int turn = 0; turn < 3; ++turn)
        CHECK(error_of(pool, Milliseconds(30)).error_class() == ErrorClass::connection);
}

TEST_CASE("a connection given back inside a transaction is dropped") {
    Pool pool(direct(), 1);
    std::int64_t first = 0;
    {
        auto connection = pool.acquire();
        first = pid_of(*connection);
        connection->exec("begin");
    }
    auto connection = pool.acquire();
    CHECK(pid_of(*connection) != first);
}

TEST_CASE("a connection that the server closed while idle is not handed out") {
    Pool pool(direct(), 2);
    auto observer = pg::Connection::connect(direct());
    std::int64_t first = 0;
    {
        auto connection = pool.acquire();
        first = pid_of(*connection);
    }
    observer->exec("select pg_terminate_backend($1, 10000)", Params().add(first));
    auto connection = pool.acquire();
    CHECK(pid_of(*connection) != first);
}

TEST_CASE("a timeout set on a checkout ends with it") {
    Pool pool(direct(), 1);
    pool.acquire()->set_timeout(Milliseconds(1));
    CHECK(pool.acquire()->exec("select pg_sleep(0.05)").rows() == 1);
}

TEST_CASE("observers hear of each change of state once") {
    Witness witness;
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    Pool pool({.conninfo = Cluster::shared().tcp_url("memoir", proxy.port())}, 2, witness.observer());
    pool.acquire()->exec("select 1");
    pool.acquire()->exec("select 1");
    CHECK(witness.seen() == std::vector<std::string>{"up"});

    proxy.refuse(true);
    {
        auto connection = pool.acquire();
        proxy.cut_all();
        CHECK_THROWS_AS(connection->exec("select 1"), pg::Error);
    }
    CHECK(pool.up());  // one connection that was closed says nothing about the database
    CHECK(error_of(pool, Milliseconds(50)).what() == std::string("connect: refused"));
    CHECK_FALSE(pool.up());
    CHECK(witness.seen().size() == 2);

    proxy.refuse(false);
    pool.acquire()->exec("select 1");
    CHECK(pool.up());
    CHECK(witness.seen().size() == 3);
    CHECK(witness.seen().back() == "up");
}

TEST_CASE("a backend that is terminated is no outage") {
    Witness witness;
    Pool pool(direct(), 2, witness.observer());
    {
        auto connection = pool.acquire();
        CHECK_THROWS_AS(connection->exec("select pg_terminate_backend(pg_backend_pid())"), pg::Error);
    }
    CHECK(pool.up());
    CHECK(pool.acquire()->exec("select 1").rows() == 1);
    CHECK(witness.seen() == std::vector<std::string>{"up"});
}

TEST_CASE("a server that takes no writes any more loses its connections, and the next one finds another") {
    Witness witness;
    Pool pool(direct(), 2, witness.observer());
    {
        auto connection = pool.acquire();
        connection->exec("set default_transaction_read_only = on");
        CHECK_THROWS_AS(connection->exec("create table never (there integer)"), pg::Error);
        CHECK(connection->broken());
    }
    CHECK_FALSE(pool.up());
    CHECK(pool.acquire()->exec("select 1").rows() == 1);
    CHECK(pool.up());
}

TEST_CASE("a pool whose database is away from the start says so and waits for it") {
    Witness witness;
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    proxy.refuse(true);
    Pool pool({.conninfo = Cluster::shared().tcp_url("memoir", proxy.port())}, 2, witness.observer());
    std::jthread healer([&] {
        test::eventually([&] { return !witness.seen().empty(); });
        proxy.refuse(false);
    });
    pool.acquire()->exec("select 1");
    CHECK(witness.seen() == std::vector<std::string>{"down: connect: refused", "up"});
}

TEST_CASE("of many waiters one tries to connect for all, with growing pauses") {
    TcpProxy proxy("/nowhere/.s.PGSQL.1", 0);  // accepts and resets
    Pool pool({.conninfo = Cluster::shared().tcp_url("memoir", proxy.port())}, 8);
    std::atomic<int> failed{0};
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 8; ++i)
            threads.emplace_back([&] {
                try {
                    pool.acquire({}, Milliseconds(700));
                } catch (const pg::Error&) {
                    ++failed;
                }
            });
    }
    CHECK(failed == 8);
    // Up to eight before the first of them has failed; then pauses of at least 50, 100, 200, 400 ms.
    CHECK(proxy.accepted() >= 3);
    CHECK(proxy.accepted() <= 8 + 5);
}

TEST_CASE("what a human has to mend is thrown at once, as what it is") {
    const auto port = std::to_string(Cluster::shared().port());
    Witness witness;
    Pool pool({.conninfo = "postgresql://nobody@127.0.0.1:" + port + "/memoir"}, 2, witness.observer());
    const auto start = Steady::now();
    CHECK(error_of(pool, std::chrono::seconds(60)).error_class() == ErrorClass::permission);
    CHECK(error_of(pool, std::chrono::seconds(60)).error_class() == ErrorClass::permission);
    CHECK(Steady::now() - start >= Milliseconds(50));  // the second after a pause
    CHECK(Steady::now() - start < std::chrono::seconds(10));
    CHECK(witness.seen() ==
          std::vector<std::string>{"down: connect: 28000 (invalid_authorization_specification)"});
    Pool other({.conninfo = Cluster::shared().url("no_such_database")}, 1);
    CHECK(error_of(other, std::chrono::seconds(60)).error_class() == ErrorClass::schema);
}

TEST_CASE("a stop of ours says nothing about the database") {
    Witness witness;
    Pool pool(direct(), 1, witness.observer());
    std::stop_source source;
    {
        auto connection = pool.acquire();
        auto observer = pg::Connection::connect(direct());
        const auto pid = pid_of(*connection);
        std::jthread stopper([&] {
            test::eventually([&] {
                return !observer
                            ->exec("select from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'",
                                   Params().add(pid))
                            .empty();
            });
            source.request_stop();
        });
        CHECK_THROWS_AS(connection->exec("select pg_sleep(600)", {}, source.get_token()), pg::Error);
    }
    CHECK(pool.up());
    CHECK(witness.seen() == std::vector<std::string>{"up"});
}

TEST_CASE("a restart of the server costs the checkouts under way, and no more") {
    Cluster cluster;
    Pool pool({.conninfo = cluster.url()}, 4);
    {
        auto one = pool.acquire();
        auto two = pool.acquire();
        two->exec("select 1");
    }
    cluster.stop(Cluster::Stop::immediate);
    cluster.start();
    for (int i = 0; i < 4; ++i) CHECK(pool.acquire()->exec("select 1").rows() == 1);
}
