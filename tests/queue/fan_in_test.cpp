#include "queue/fan_in.hpp"

#include <catch2/catch.hpp>
#include <thread>

#include "memory/memory.hpp"
#include "support/postgres.hpp"
#include "support/scale.hpp"

using namespace memoir;
using test::TestSchema;

namespace {

// As a settle does: lock, delete, look. Three statements.
int finish(pg::Transaction& transaction, const std::string& schema, const std::string& pid,
           std::int64_t job) {
    const std::vector pids{pid};
    while (memory::lock(transaction, schema, pids).empty()) {
        std::this_thread::yield();
    }
    transaction.exec("delete from \"" + schema + "\".memory_jobs where id = $1", pg::Params().add(job));
    return queue::enqueue_synthesize(transaction, schema, pids);
}

}  // namespace

TEST_CASE("the last sibling enqueues one synthesize") {
    TestSchema schema;
    const auto pid = schema.memory("a");
    const auto extract = schema.job(pid, "extract"), relational = schema.job(pid, "relational_extract");
    auto connection = schema.connect();
    const auto settle = [&](std::int64_t job) {
        pg::Transaction transaction(*connection, pg::Transaction::Durability::off);
        const int enqueued = finish(transaction, schema.name(), pid, job);
        transaction.commit();
        return enqueued;
    };
    CHECK(settle(extract) == 0);
    CHECK(settle(relational) == 1);
    CHECK(schema.number("select count(*) from $schema.memory_jobs where kind = 'synthesize'") == 1);
}

TEST_CASE("a sibling in any state blocks, and so does a synthesize that is there already") {
    TestSchema schema;
    for (const std::string kind : {"extract", "relational_extract", "synthesize"})
        for (const std::string state : {"pending", "claimed", "failed"}) {
            CAPTURE(kind, state);
            const auto pid = schema.memory("a");
            const auto own = schema.job(pid, "extract"), sibling = schema.job(pid, kind);
            schema.sql("update $schema.memory_jobs set state = $2 where id = $1",
                       pg::Params().add(sibling).add(state));
            auto connection = schema.connect();
            pg::Transaction transaction(*connection, pg::Transaction::Durability::off);
            CHECK(finish(transaction, schema.name(), pid, own) == 0);
        }
}

TEST_CASE("two siblings that finish at the same instant enqueue exactly one") {
    TestSchema schema;
    for (int round = 0; round < test::scaled(200, 50); ++round) {
        const auto pid = schema.memory("a");
        const std::int64_t jobs[2] = {schema.job(pid, "extract"), schema.job(pid, "relational_extract")};
        {
            std::vector<std::jthread> threads;
            for (const auto job : jobs)
                threads.emplace_back([&, job] {
                    auto connection = schema.connect();
                    pg::Transaction transaction(*connection, pg::Transaction::Durability::off);
                    finish(transaction, schema.name(), pid, job);
                    transaction.commit();
                });
        }
        REQUIRE(schema.number("select count(*) from $schema.memory_jobs where source_pid = $1",
                              pg::Params().add(pid)) == 1);
    }
}

TEST_CASE("a source that is forgotten gets none") {
    TestSchema schema;
    auto connection = schema.connect();
    pg::Transaction transaction(*connection, pg::Transaction::Durability::off);
    CHECK(queue::enqueue_synthesize(transaction, schema.name(), std::vector<std::string>{"nobody"}) == 0);
}
