// relational_extract on a real queue: what is staged, when nothing is, what is paid for, and the fan-in.
#include "stages/relational_extract.hpp"

#include <catch2/catch.hpp>

#include "stages/rig.hpp"

using namespace memoir;
using memoir::test::eventually;
using memoir::test::Gate;
using memoir::test::HttpReply;
using memoir::test::json;
using memoir::test::Rig;

namespace {

HttpReply triples(const std::string& object = "SECRET Bob") {
    return Rig::reply(
        json{{"triples",
              {{{"subject", "SECRET Ann"}, {"relation", "knows"}, {"object", object}, {"confidence", 0.9}},
               {{"subject", "SECRET Ann"}, {"relation", "likes"}, {"object", "tea"}},
               {{"subject", "SECRET Ann"}, {"relation", "owns"}, {"object", nullptr}}}}}
            .dump());
}

std::string staged(Rig& rig, const std::string& pid) {
    return rig.schema.value(
        "select coalesce((select triples::text from $schema.graph_triple_staging where "
        "source_pid = $1), 'none')",
        pg::Params().add(pid));
}

}  // namespace

TEST_CASE("triples are staged in the form that the library reads, and the fan-in follows") {
    Rig rig([](const json&) { return triples(); });
    const auto pid = rig.schema.memory("SECRET said");
    const auto job = rig.schema.job(pid, "relational_extract");
    rig.start();
    REQUIRE(rig.gone(job));
    CHECK(json::parse(staged(rig, pid)) ==
          json{{"triples",
                {{{"subject", "SECRET Ann"},
                  {"relation", "knows"},
                  {"object", "SECRET Bob"},
                  {"confidence", static_cast<double>(0.9F)}},
                 {{"subject", "SECRET Ann"}, {"relation", "likes"}, {"object", "tea"}, {"confidence", 1}}}}});
    CHECK(rig.jobs("synthesize") == 1);
    CHECK(rig.kept() == 0);
    REQUIRE(eventually([&] { return rig.log.count("memoir.relational.staged") == 1; }));
    CHECK(rig.log.named("memoir.relational.staged")[0].field("triples") == "2");
    CHECK(rig.log.named("memoir.extraction.parsed")[0].field("skipped") == "1");
    CHECK(rig.said_nothing());
}

TEST_CASE("what was staged before is replaced; an extract that is left holds the fan-in back") {
    Rig rig([](const json&) { return triples("SECRET Eve"); });
    rig.options.lanes.front().kinds = {"relational_extract"};
    const auto pid = rig.schema.memory("SECRET said");
    rig.schema.sql(
        "insert into $schema.graph_triple_staging (source_pid, triples) values ($1, '{\"triples\": []}')",
        pg::Params().add(pid));
    rig.schema.job(pid, "extract");
    const auto job = rig.schema.job(pid, "relational_extract");
    rig.start();
    REQUIRE(rig.gone(job));
    CHECK(staged(rig, pid).find("SECRET Eve") != std::string::npos);
    CHECK(rig.jobs("synthesize") == 0);
}

TEST_CASE("a memory that is retired or gone has no triples; its end goes through the fan-in all the same") {
    Rig rig([](const json&) { return triples(); });
    const auto retired = rig.schema.memory("SECRET said");
    rig.schema.sql("update $schema.memories set retirement_reason = 'stale' where pid = $1",
                   pg::Params().add(retired));
    const auto job = rig.schema.job(retired, "relational_extract");
    rig.start();
    REQUIRE(rig.gone(job));
    CHECK(staged(rig, retired) == "none");
    CHECK(rig.paid == 0);
    CHECK(rig.log.count("memoir.relational.skipped") == 1);
}

TEST_CASE("a reply over 100,000 bytes, or without a list of triples, costs an attempt and stages nothing") {
    const std::string bad = GENERATE(std::string("no"), std::string(R"({"facts":[]})"),
                                     R"({"triples":[],"x":")" + std::string(100'000, 'x') + R"("})");
    Rig rig([&](const json&) { return Rig::reply(bad); });
    rig.options.max_attempts = 2;
    const auto pid = rig.schema.memory("SECRET said");
    const auto job = rig.schema.job(pid, "relational_extract");
    rig.start();
    REQUIRE(rig.ended(job));
    CHECK(rig.schema.value("select state || attempts from $schema.memory_jobs where id = $1",
                           pg::Params().add(job)) == "failed2");
    CHECK(staged(rig, pid) == "none");
    CHECK(rig.jobs("synthesize") == 0);
    CHECK(rig.said_nothing());
}

TEST_CASE("a reply that was paid for is not paid for again when its settle has to be repeated") {
    Rig rig([](const json&) { return triples(); });
    const auto pid = rig.schema.memory("SECRET said");
    // The staging table refuses once.
    rig.schema.sql("create sequence $schema.tries");
    rig.schema.sql(
        "create function $schema.refuse() returns trigger language plpgsql as $body$ begin if "
        "nextval('$schema.tries') = 1 then raise exception using errcode = '53200'; end if; return new; end "
        "$body$");
    rig.schema.sql(
        "create trigger refuse before insert on $schema.graph_triple_staging for each row execute function "
        "$schema.refuse()");
    const auto job = rig.schema.job(pid, "relational_extract");
    rig.start();
    REQUIRE(rig.gone(job));
    CHECK(staged(rig, pid) != "none");
    CHECK(rig.paid == 1);
}
