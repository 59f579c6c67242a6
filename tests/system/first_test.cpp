#include <catch2/catch.hpp>
#include <csignal>

#include "support/memoird.hpp"
#include "support/wait.hpp"

using namespace memoir::test;

TEST_CASE("a row in memory_jobs becomes a vector, and the memory says so") {
    TestSchema schema;
    EmbeddingDouble embedder;
    const auto pid = schema.memory("tea in the afternoon");
    schema.job(pid, "embed", R"({"origin": "remember"})");
    Memoird memoird(schema, embedder, {.arguments = {"--until-idle"}});
    CHECK(memoird.process().wait() == 0);
    INFO(memoird.log());
    CHECK(schema.number("select count(*) from $schema.memory_jobs") == 0);
    CHECK(schema.value("select qdrant_status from $schema.memories") == "indexed");
    CHECK(schema.number("select count(*) from $schema.memoird_vectors where array_length(vector, 1) = 4") ==
          1);
}

TEST_CASE("it stops with 0 while idle, and leaves no row of its own behind") {
    TestSchema schema;
    EmbeddingDouble embedder;
    Memoird memoird(schema, embedder);
    REQUIRE(memoird.ready());
    CHECK(memoird.stop() == 0);
    CHECK(memoird.events("memoir.worker.shutdown").size() == 1);
    CHECK(schema.number("select count(*) from $schema.memoird_hosts") == 0);
}
