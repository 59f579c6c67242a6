// categorize on a real queue, beside embed: the row and the point end up with one label.
#include "stages/categorize.hpp"

#include <catch2/catch.hpp>

#include "stages/rig.hpp"

using namespace memoir;
using memoir::test::eventually;
using memoir::test::Rig;

namespace {

struct Labels : Rig {
    Labels() {
        options.lanes = {{"derive", {"categorize"}, 1, 8}, {"embed", {"embed"}, 1, 8}};
        source = schema.memory("SECRET source");
        pid = fact(source, "SECRET fact");
    }
    ~Labels() { stop(); }
    std::string row(const std::string& of) {
        return schema.value("select coalesce(category, '-') from $schema.memories where pid = $1",
                            pg::Params().add(of));
    }
    std::string label_of_point() {
        const auto found = index.point(pid);
        return found ? found->category.value_or("-") : "none";
    }
    std::string source, pid;
};

}  // namespace

TEST_CASE("the label goes to the row and to the point, and nothing else changes") {
    Labels rig;
    rig.start();
    REQUIRE(rig.gone(rig.schema.job(rig.pid, "embed")));
    REQUIRE(rig.gone(rig.schema.job(rig.pid, "categorize")));
    CHECK(rig.row(rig.pid) == "preference");
    CHECK(rig.label_of_point() == "preference");
    CHECK(rig.schema.number("select confidence from $schema.memories where pid = $1",
                            pg::Params().add(rig.pid)) == 100);
    CHECK(eventually([&] { return rig.log.count("memoir.categorize.done") == 1; }));
    CHECK(rig.said_nothing());
}

TEST_CASE("a fact that is labelled before it is indexed gets its label with its point") {
    Labels rig;
    rig.start();
    REQUIRE(rig.gone(rig.schema.job(rig.pid, "categorize")));
    CHECK(rig.label_of_point() == "none");
    REQUIRE(rig.gone(rig.schema.job(rig.pid, "embed")));
    CHECK(rig.label_of_point() == "preference");
}

TEST_CASE("embed has read the row, and writes its point when categorize is done: one label") {
    test::Gate embedding;
    Labels rig;
    rig.embedder.on_embed = [&] { embedding.pass({}); };
    const auto embed = rig.schema.job(rig.pid, "embed");
    rig.start();
    REQUIRE(embedding.reached());
    REQUIRE(rig.gone(rig.schema.job(rig.pid, "categorize")));
    embedding.open();
    REQUIRE(rig.gone(embed));
    CHECK(rig.label_of_point() == "preference");
}

TEST_CASE("categorize has seen the index, and commits when embed is done: one label") {
    // Indexed before: the embed job of a lost claim, which finds the status as it leaves it.
    const bool before = GENERATE(false, true);
    CAPTURE(before);
    test::Gate labelling;
    Labels rig;
    auto embed = rig.schema.job(rig.pid, "embed");
    if (before) {
        rig.schema.sql("delete from $schema.memory_jobs");
        rig.indexed(rig.pid);
        auto connection = rig.schema.connect();
        pg::Transaction transaction(*connection, pg::Transaction::Durability::on);
        CHECK(memory::reindex(transaction, rig.schema.name(), std::vector{rig.pid}).empty());
        transaction.commit();
        embed = rig.schema.number("select id from $schema.memory_jobs");
    }
    // The embed job waits until categorize has been at the index.
    rig.index.on_category = [&] { labelling.pass({}); };
    rig.embedder.on_embed = [&] { labelling.reached(); };
    const auto categorize = rig.schema.job(rig.pid, "categorize");
    rig.start();
    REQUIRE(labelling.reached());
    REQUIRE(rig.gone(embed));
    CHECK(rig.label_of_point() == "-");
    labelling.open();
    REQUIRE(rig.gone(categorize));
    CHECK(rig.label_of_point() == "preference");
    CHECK(rig.row(rig.pid) == "preference");
}

TEST_CASE("one text that cannot be labelled fails alone") {
    Labels rig;
    std::vector<std::string> others;
    for (int at = 0; at < 6; ++at) others.push_back(rig.fact(rig.source, "SECRET " + std::to_string(at)));
    const auto poison = rig.schema.job(rig.fact(rig.source, "SECRET poison"), "categorize");
    for (const auto& pid : others) rig.schema.job(pid, "categorize");
    rig.start();
    REQUIRE(rig.ended(poison));
    CHECK(rig.state(poison) == "failed/3/cannot");
    CHECK(eventually([&] { return rig.jobs("categorize") == 1; }));
    for (const auto& pid : others) CHECK(rig.row(pid) == "preference");
    CHECK(rig.said_nothing());
}

TEST_CASE("a retired fact is skipped, also when it is retired while it is looked at") {
    const bool before = GENERATE(true, false);
    CAPTURE(before);
    Labels rig;
    const auto retire = [&] {
        auto connection = rig.schema.connect();
        connection->exec("update \"" + rig.schema.name() + "\".memories set retirement_reason = 'stale'");
    };
    if (before)
        retire();
    else
        rig.classifier.on_classify = retire;
    const auto job = rig.schema.job(rig.pid, "categorize");
    rig.start();
    REQUIRE(rig.gone(job));
    CHECK(rig.row(rig.pid) == "-");
    CHECK(rig.log.count("memoir.categorize.skipped") == 1);
    CHECK(rig.classifier.calls == (before ? 0 : 1));
}

TEST_CASE("a claim that is lost after the point was labelled has the point written again") {
    test::Gate labelling;
    Labels rig;
    rig.options.lanes = {{"derive", {"categorize"}, 1, 8}};
    rig.index.on_category = [&] { labelling.pass({}); };
    rig.schema.job(rig.pid, "categorize");
    rig.start();
    REQUIRE(labelling.reached());
    rig.schema.sql("update $schema.memory_jobs set claimed_by = 'somebody else'");
    labelling.open();
    CHECK(eventually([&] { return rig.jobs("embed") == 1; }));
    CHECK(rig.row(rig.pid) == "-");
}
