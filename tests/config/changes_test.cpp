#include <catch2/catch.hpp>

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

TEST_CASE("a section that comes or goes needs a restart, its model settings do not") {
    CHECK(between("", "[extraction]\n").restart == Paths{"extraction"});
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
