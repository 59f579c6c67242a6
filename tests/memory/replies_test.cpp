#include "memory/replies.hpp"

#include <catch2/catch.hpp>

#include "support/postgres.hpp"

using namespace memoir;
using test::TestSchema;

namespace {

struct Journal {
    Journal() : pool(schema.options(), 1), replies(pool, schema.name()) { replies.found(true); }

    // The database is away for as long as it takes to give up.
    void keep_without_database(const memory::Replies::Key& key) {
        const auto all = pool.acquire({});
        std::stop_source stopped;
        stopped.request_stop();
        replies.keep(key, R"({"facts":[]})", stopped.get_token());
    }
    std::int64_t kept() { return schema.number("select count(*) from $schema.memoird_replies"); }

    TestSchema schema;
    pg::Pool pool;
    memory::Replies replies;
};

}  // namespace

TEST_CASE("a reply that the database did not take is written when it is back, for whoever asks next") {
    Journal journal;
    const auto pid = journal.schema.memory("SECRET");
    const memory::Replies::Key key{pid, "extract", "hash"};
    journal.schema.job(pid, "extract");
    journal.keep_without_database(key);
    CHECK(journal.kept() == 0);
    journal.replies.flush({});
    CHECK(journal.kept() == 1);
    memory::Replies another(journal.pool, journal.schema.name());
    another.found(true);
    CHECK(another.find(key, {}).has_value());
}

TEST_CASE("a reply whose job is done, or whose memory is forgotten, is let go") {
    Journal journal;
    const auto pid = journal.schema.memory("SECRET");
    const memory::Replies::Key key{pid, "extract", "hash"};
    const auto forgotten = GENERATE(true, false);
    if (forgotten) journal.schema.sql("delete from $schema.memories");
    journal.keep_without_database(key);
    journal.replies.flush({});
    CHECK(journal.kept() == 0);
    CHECK_FALSE(journal.replies.find(key, {}));
}

TEST_CASE("a member's reply waits for the correction, whose job is another memory's") {
    Journal journal;
    const auto member = journal.schema.memory("SECRET"), source = journal.schema.memory("SECRET source");
    journal.schema.job(source, "reprocess", R"({"reason":"stale"})");
    journal.keep_without_database({member, "reprocess", "hash"});
    journal.replies.flush({});
    CHECK(journal.kept() == 1);
}
