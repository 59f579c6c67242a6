#include <catch2/catch.hpp>
#include <fstream>
#include <random>
#include <sstream>

#include "config/loading.hpp"
#include "support/scale.hpp"

using memoir::config::Config;
using memoir::config::Format;
using memoir::test::all;
using memoir::test::ConfigFolder;

namespace {

const char* const example_path = SOURCE_DIR "/config/memoird.toml";

std::string read(const std::string& path) {
    std::ostringstream content;
    content << std::ifstream(path, std::ios::binary).rdbuf();
    return content.str();
}

// The example with everything that is off switched on, but what needs files.
std::string all_switched_on(const std::string& example) {
    std::istringstream lines(example);
    std::string line, out;
    while (std::getline(lines, line)) {
        const bool off = line.size() > 1 && line[0] == '#' && line[1] != ' ';
        const bool file = line.find("_file = ") != line.npos || line.find("_credential = ") != line.npos;
        out += (off && !file ? line.substr(1) : line) + "\n";
    }
    return out;
}

}  // namespace

// Run `test_config "[.write]"` after a change of the table.
TEST_CASE("writes the example file", "[.write]") {
    std::ofstream(example_path, std::ios::binary) << describe(Format::example);
}

TEST_CASE("the example file is what the table of keys says") {
    INFO("if the table is right: test_config \"[.write]\"");
    CHECK(read(example_path) == describe(Format::example));
}

TEST_CASE("the example file loads as the defaults") {
    const ConfigFolder folder;
    const auto loaded = folder.load_file(example_path);
    INFO(all(loaded.problems) << all(loaded.warnings));
    CHECK(loaded.problems.empty());
    CHECK(loaded.warnings.empty());
    const auto changes = changed_keys(loaded.config, Config{});
    CHECK(changes.live.empty());
    CHECK(changes.restart.empty());
}

TEST_CASE("every line of the example that is off can be switched on") {
    const ConfigFolder folder;
    const std::string example = all_switched_on(describe(Format::example));
    const auto loaded = folder.load(example);
    INFO(example << all(loaded.problems));
    CHECK(loaded.problems.empty());
    CHECK((loaded.config.extraction && loaded.config.relational && loaded.config.classifier &&
           loaded.config.graph));
}

TEST_CASE("the man page names every key of the example") {
    const std::string man = describe(Format::man);
    std::istringstream lines(all_switched_on(describe(Format::example)));
    std::string line;
    while (std::getline(lines, line)) {
        const auto equals = line.find(" = ");
        if (line[0] == '#' || equals == line.npos || line.substr(0, equals) == "preference") continue;
        INFO(line);
        CHECK_THAT(man, Catch::Contains(line.substr(0, equals)));
    }
    CHECK_THAT(man, Catch::StartsWith(".TH ") && Catch::Contains(".SH \"[lanes.NAME]\"") &&
                        !Catch::Contains(SOURCE_DIR));
}

TEST_CASE("a mutated file never crashes, and gives problems or a configuration") {
    const ConfigFolder folder;
    const std::string toml = all_switched_on(describe(Format::example));
    const std::string json =
        R"({"database": {"url": "dbname=x", "pool": 8}, "worker": {"lease": "1m", "listen": true},
        "lanes": {"a": {"kinds": ["embed", "extract"], "loops": 2}}, "classifier": {"threshold": 5e-1,
        "labels": {"factual": "\u00e9\ud83d\ude00"}}, "graph": {}})";
    std::mt19937 random(20'240'607);
    const auto pick = [&](std::size_t below) {
        return std::uniform_int_distribution<std::size_t>(0, below - 1)(random);
    };
    const std::string bytes = "\"'[]{}=.,#\\\n \t0-9aeEx_:/@%\xFF\xC3" + std::string(1, '\0');
    int clean = 0, broken = 0;
    for (int round = 0; round < memoir::test::scaled(1'500, 500); ++round) {
        const bool is_json = round % 3 == 0;
        std::string text = is_json ? json : toml;
        for (std::size_t i = pick(4) + 1; i > 0; --i) {
            const std::size_t at = pick(text.size());
            switch (pick(4)) {
                case 0:
                    text[at] = bytes[pick(bytes.size())];
                    break;
                case 1:
                    text.insert(at, 1, bytes[pick(bytes.size())]);
                    break;
                case 2:
                    text.erase(at, pick(20) + 1);
                    break;
                default:  // a piece of itself somewhere else: keys twice, sections within sections
                    text.insert(at, text.substr(pick(text.size()), pick(60)));
            }
            if (text.empty()) text = " ";
        }
        const auto loaded = folder.load(text, is_json ? "memoird.json" : "memoird.toml");
        INFO(text);
        REQUIRE(loaded.problems.empty() != loaded.printed.empty());
        for (const auto& problem : loaded.problems) {
            REQUIRE_FALSE(problem.where.empty());
            REQUIRE_FALSE(problem.text.empty());
        }
        ++(loaded.problems.empty() ? clean : broken);
        if (!loaded.problems.empty()) continue;
        const auto again = folder.load(loaded.printed, "printed.toml");
        INFO(loaded.printed << all(again.problems));
        REQUIRE(again.problems.empty());
    }
    CHECK(clean > 50);  // else the mutations are too wild to test anything but the syntax
    CHECK(broken > 50);
}
