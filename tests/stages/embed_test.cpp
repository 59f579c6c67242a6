// embed on a real queue: an index and a database that refuse, and what one odd memory costs the others.
#include "stages/embed.hpp"

#include <catch2/catch.hpp>

#include "stages/rig.hpp"
#include "support/peak_memory.hpp"

using namespace memoir;
using memoir::test::eventually;
using memoir::test::Rig;

namespace {

struct Embedding : Rig {
    Embedding() { options.lanes = {{"embed", {"embed"}, 1, 8}}; }
    ~Embedding() { stop(); }
    std::string status(const std::string& pid) {
        return schema.value("select qdrant_status from $schema.memories where pid = $1",
                            pg::Params().add(pid));
    }
};

}  // namespace

TEST_CASE("a vector that the index refuses is reported with the reason, and the job fails") {
    Embedding rig;
    const auto pid = rig.schema.memory("SECRET text");
    rig.index.on_write = [] { throw Failure(FailureType::permanent, "HTTP 400"); };
    rig.start();
    const auto job = rig.schema.job(pid, "embed");
    REQUIRE(rig.ended(job));
    CHECK(rig.state(job) == "failed/1/HTTP 400");
    CHECK(rig.log.count("memoir.embed.upsert_failed") == 1);
    CHECK(rig.said_nothing());
}

TEST_CASE("a memory whose status the database refuses is reported, and the others of its batch are indexed") {
    Embedding rig;
    const auto odd = rig.schema.memory("SECRET odd"), other = rig.schema.memory("SECRET other");
    rig.schema.sql(
        "create function $schema.odd() returns trigger language plpgsql as $f$ begin raise exception 'odd "
        "row'; end $f$");
    rig.schema.sql("create trigger odd before update on $schema.memories for each row when (new.pid = '" +
                   odd + "') execute function $schema.odd()");
    const auto failing = rig.schema.job(odd, "embed"), good = rig.schema.job(other, "embed");
    rig.start();
    CHECK(rig.gone(good));
    CHECK(rig.status(other) == "indexed");
    REQUIRE(rig.ended(failing));
    CHECK(rig.status(odd) == "pending");
    CHECK(rig.log.count("memoir.embed.index_status_failed") >= 1);
    CHECK(rig.said_nothing());
}

TEST_CASE("a memory with more metadata than a point takes fails alone, and is not read whole") {
    Rig rig;
    rig.options.lanes = {{"embed", {"embed"}, 1, 32}};
    const auto good = rig.schema.memory("SECRET good");
    std::vector<std::int64_t> jobs{rig.schema.job(good, "embed")};
    for (int at = 0; at < 4; ++at) {
        const auto pid = rig.schema.memory("SECRET odd");
        rig.schema.sql(
            "update $schema.memories set metadata = jsonb_build_object('x', repeat('y', 28000000)) where pid "
            "= $1",
            pg::Params().add(pid));
        jobs.push_back(rig.schema.job(pid, "embed"));
    }
    const auto growth = test::peak_growth([&] {
        rig.start();
        for (const auto job : jobs) CHECK(rig.ended(job));
        rig.stop();
    });
    CHECK(growth <= 100);
    CHECK(rig.state(jobs[0]) == "gone");
    CHECK(rig.index.point(good));
    for (std::size_t at = 1; at < jobs.size(); ++at)
        CHECK(rig.state(jobs[at]) == "failed/1/its metadata has more than 1,048,576 bytes");
    CHECK(rig.said_nothing());
}
