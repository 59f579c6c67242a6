#include <catch2/catch.hpp>

#include "config/keys.hpp"
#include "config/loading.hpp"

using memoir::config::Changes;
using memoir::test::ConfigFolder;

namespace {

Changes between(const std::string& before, const std::string& after) {
    const ConfigFolder folder;
    return changed_keys(folder.load(before).config, folder.load(after).config);
}

using Paths = std::vector<std::string>;

}  // namespace

TEST_CASE("nothing changed is no change") {
    const auto changes = between("[graph]\n", "[graph]\n");
    CHECK(changes.live.empty());
    CHECK(changes.restart.empty());
}

TEST_CASE("tells what a reload applies from what needs a restart") {
    const auto changes = between("",
                                 "[worker]\nretry_base = \"1s\"\nlease = \"90s\"\n[log]\nlevel = \"debug\"\n"
                                 "[vector]\nbackend = \"postgres\"\n[database]\nurl = \"dbname=other\"\n");
    CHECK(changes.live == Paths{"worker.retry_base", "log.level"});
    CHECK(changes.restart == Paths{"database.url", "worker.lease", "vector.backend"});
}

TEST_CASE("lanes change live, also when one comes or goes") {
    const auto changes =
        between("[lanes.a]\nkinds = [\"embed\"]\n[lanes.b]\nkinds = [\"extract\"]\n",
                "[lanes.c]\nkinds = [\"extract\"]\n[lanes.a]\nkinds = [\"embed\"]\nloops = 9\n");
    CHECK(changes.live == Paths{"lanes.a.loops", "lanes.b", "lanes.c"});
    CHECK(changes.restart.empty());
}

TEST_CASE("sections of models come and go live, the graph's needs a restart") {
    CHECK(between("", "[extraction]\n").live == Paths{"extraction"});
    CHECK(between("[classifier]\n[relational]\n", "").live == Paths{"relational", "classifier"});
    CHECK(between("[graph]\n", "").restart == Paths{"graph"});
    CHECK(between("[extraction]\n", "[extraction]\nmodel = \"other\"\n").live == Paths{"extraction.model"});
    CHECK(between("[classifier]\n", "[classifier]\nlabels.factual = \"x\"\n").live ==
          Paths{"classifier.labels.factual"});
}

TEST_CASE("a changed secret is named, and its value is not") {
    const ConfigFolder folder;
    const std::string key = folder.write("key", "one");
    const std::string content = "[extraction]\nurl = \"https://host\"\napi_key_file = \"" + key + "\"\n";
    const auto before = folder.load(content).config;
    folder.write("key", "two");
    const auto changes = changed_keys(before, folder.load(content).config);
    CHECK(changes.live == Paths{"extraction.api_key"});
    CHECK(changes.restart.empty());
}

TEST_CASE("what is applied is the old configuration with what is live of the new one, and nothing else") {
    const ConfigFolder folder;
    const auto before = folder
                            .load(
                                "[extraction]\nmodel = \"a\"\n[classifier]\nlabels.factual = \"x\"\n"
                                "[lanes.a]\nkinds = [\"embed\"]\n")
                            .config;
    const auto after =
        folder
            .load(
                "[database]\npool = 3\n[worker]\nlease = \"90s\"\nretry_base = \"1s\"\nmax_attempts = 7\n"
                "unconfigured = \"complete\"\n[log]\nlevel = \"debug\"\nformat = \"json\"\n[vector]\ntimeout "
                "= "
                "\"3s\"\ncollection = \"other\"\n[graph]\n[relational]\n[classifier]\nlabels.factual = "
                "\"y\"\nthreshold = 0.25\n[extraction]\nmodel = \"b\"\ntimeout = \"7s\"\n[lanes.b]\nkinds = "
                "[\"extract\"]\nloops = 3\n")
            .config;
    const auto changes = changed_keys(before, after);
    const auto& applied = changes.applied;
    CHECK(applied.database.pool == before.database.pool);
    CHECK(applied.worker.lease == before.worker.lease);
    CHECK(applied.log.format == before.log.format);
    CHECK(applied.vector.collection == before.vector.collection);
    CHECK_FALSE(applied.graph);
    CHECK(changes.restart ==
          Paths{"database.pool", "worker.lease", "vector.collection", "graph", "log.format"});
    // Applied once more, nothing live is left, and the same needs a restart.
    const auto again = changed_keys(applied, after);
    CHECK(again.live.empty());
    CHECK(again.restart == changes.restart);
    CHECK(applied.worker.max_attempts == 7);
    CHECK(applied.extraction->model == "b");
    CHECK(applied.classifier->labels.at("factual") == "y");
    CHECK(applied.worker.lanes == after.worker.lanes);
    CHECK(applied.relational);
}

TEST_CASE("another dimension refuses the reload, for no index and no model may meet the wrong one") {
    const auto changes = between("", "[embedding]\ndimension = 768\nmodel = \"other\"\n");
    CHECK(changes.refused == Paths{"embedding.dimension"});
    CHECK(changes.live == Paths{"embedding.model"});
}

TEST_CASE("what is half the running configuration and half the file's can break a rule that neither breaks") {
    const ConfigFolder folder;
    const auto before = folder.load("").config;
    const auto after = folder.load("[worker]\nlease = \"5m\"\npoll_interval = \"2m\"\n");
    CHECK(after.problems.empty());
    const auto problems = broken_rules(changed_keys(before, after.config).applied);
    REQUIRE(problems.size() == 1);
    CHECK(problems.front().text == "worker.poll_interval is not shorter than worker.lease");
    CHECK(broken_rules(before).empty());
}

// Another value than the default, for each key that can have one without files; and that the engine's whole
// table is spoken for: a key is live, refused, or needs a restart, and what is live is applied.
TEST_CASE("every live key is applied, and no other one") {
    memoir::config::Config defaults;
    for (const auto& section : memoir::config::sections())
        if (section.optional()) section.enable(defaults);
    int live = 0;
    for (const auto& key : memoir::config::keys()) {
        if (key.section == "lanes.*" || key.name == "*") continue;
        auto after = defaults;
        std::visit(
            [](auto* value) {
                using Value = std::decay_t<decltype(*value)>;
                if constexpr (std::is_same_v<Value, std::string>)
                    *value += "x";
                else if constexpr (std::is_same_v<Value, memoir::Secret>)
                    *value = memoir::Secret("x");
                else if constexpr (std::is_same_v<Value, bool>)
                    *value = !*value;
                else if constexpr (std::is_same_v<Value, std::chrono::milliseconds>)
                    *value += std::chrono::milliseconds(1);
                else if constexpr (std::is_same_v<Value, std::vector<std::string>>)
                    value->push_back("x");
                else
                    *value = static_cast<Value>(static_cast<int>(*value) == 0 ? 1 : 0);
            },
            key.target(after, ""));
        CAPTURE(key.section, key.name);
        const auto changes = changed_keys(defaults, after);
        const bool applied = changed_keys(changes.applied, after).live.empty() &&
                             changed_keys(changes.applied, after).restart.empty() &&
                             changed_keys(changes.applied, after).refused.empty();
        CHECK(applied == key.live);
        CHECK((changes.live.size() == 1) == key.live);
        CHECK((changes.refused.size() == 1) == key.refused);
        CHECK_FALSE((key.live && key.refused));
        live += key.live;
    }
    CHECK(live > 30);
}
