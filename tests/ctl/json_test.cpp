// Every command of the table with --json against a real PostgreSQL: one JSON document on the output, whether
// it succeeds or fails, and the exit code that goes with it. A command without a row here fails the first
// test.
#include <catch2/catch.hpp>
#include <map>
#include <nlohmann/json.hpp>

#include "ctl/command.hpp"
#include "support/falkordb.hpp"
#include "support/memoird.hpp"
#include "support/process.hpp"

using namespace memoir;
using namespace memoir::test;
using nlohmann::json;
using Words = std::vector<std::string>;

namespace {

const std::string scope_options = " --agent a --org o --user u";

// What stands behind the command's words, and a key that the answer has.
struct Example {
    std::string arguments, key;
    bool needs_database = true;
};
const std::map<std::string, Example> examples{
    {"status", {"", "kinds"}},
    {"backends probe", {"", "endpoint"}},
    {"jobs list", {"--state all", "jobs"}},
    {"jobs show", {"FAILED", "id"}},
    {"jobs why", {"FAILED", "reasons"}},
    {"jobs retry", {"--all --dry-run", ""}},
    {"jobs delete", {"FAILED", ""}},
    {"jobs count", {"", "count"}},
    {"schema check", {"", "complete"}},
    {"schema apply", {"--dry-run", "steps"}},
    {"schema remove", {"--dry-run", "steps"}},
    {"schema grants", {"somebody", "grants", false}},
    {"pause", {"--kind embed", "changed"}},
    {"resume", {"--kind embed", ""}},
    {"remember", {scope_options + " words", "pids"}},
    {"search", {scope_options + " words", ""}},
    {"doctor", {"", "checks"}},
    {"reconcile", {"--dry-run", "embed_jobs"}},
    {"graph show", {scope_options, "entities", false}},
    {"stats extraction", {"", ""}},
};

Words split(const std::string& text) {
    Words words;
    std::istringstream stream(text);
    for (std::string word; stream >> word;) words.push_back(word);
    return words;
}

struct Ctl {
    TestSchema schema{TestSchema::With::all};
    EmbeddingDouble embedder;
    std::string url = Cluster::shared().url();
    Words settings{"vector.backend=postgres", "embedding.provider=ollama", "embedding.model=double",
                   "embedding.dimension=4", "embedding.url=" + embedder.url()};
    std::int64_t failed = 0;

    Ctl() {
        failed = schema.job(schema.memory("words"), "extract");
        schema.sql(
            "update $schema.memory_jobs set state = 'failed', failure_reason = 'reply does not parse'");
    }
    test::Finished run(const Words& arguments) {
        Words all{memoirctl_PROGRAM, "--set", "database.url=" + url, "--set",
                  "database.schema=" + schema.name()};
        for (const auto& setting : settings) all.insert(all.end(), {"--set", setting});
        all.insert(all.end(), arguments.begin(), arguments.end());
        return test::run({all, {}, {}});
    }
    test::Finished run_example(const ctl::Command& command, const std::string& more = "") {
        auto words = split(std::string(command.name) + " --json " + more + " " +
                           examples.at(std::string(command.name)).arguments);
        for (auto& word : words)
            if (word == "FAILED") word = std::to_string(failed);
        return run(words);
    }
};

// The whole output is one document, and on failure it says what the exit code says.
json document(const test::Finished& finished) {
    INFO(finished.output << finished.errors);
    auto parsed = json::parse(finished.output, nullptr, false);
    REQUIRE(parsed.is_object());
    return parsed;
}

void check_error(const test::Finished& finished, int code) {
    INFO(finished.output << finished.errors);
    CHECK(finished.code == code);
    const auto error = document(finished);
    CHECK(error.value("exit_code", 0) == code);
    CHECK_FALSE(error.value("error", "").empty());
    CHECK(error.contains("hint"));
    // People who look at a script's log read the same.
    if (!error.contains("problems"))
        CHECK(finished.errors.find("memoirctl: " + error.value("error", "")) != std::string::npos);
}

}  // namespace

TEST_CASE("every command has an example for the tests below") {
    for (const auto& command : ctl::commands()) {
        CAPTURE(command.name);
        CHECK(examples.contains(std::string(command.name)));
    }
    CHECK(examples.size() == ctl::commands().size());
}

TEST_CASE("every command that succeeds answers with one JSON document") {
    Ctl ctl;
    std::unique_ptr<FalkorDb> graph;
    if (FalkorDb::available()) {
        graph = std::make_unique<FalkorDb>();
        ctl.settings.push_back("graph.url=" + graph->url());
    } else {
        WARN("there is no FalkorDB here: graph show is not tried");
    }
    for (const auto& command : ctl::commands()) {
        if (command.name == "graph show" && !graph) continue;
        CAPTURE(command.name);
        const auto& example = examples.at(std::string(command.name));
        // A deleted job is no example for the next command.
        if (command.name == "jobs delete") ctl.failed = ctl.schema.job(ctl.schema.memory("more"), "extract");
        ctl.schema.sql("update $schema.memory_jobs set state = 'failed' where kind = 'extract'");
        const auto finished = ctl.run_example(command);
        INFO(finished.errors);
        CHECK(finished.code == 0);
        const auto answer = document(finished);
        CHECK_FALSE(answer.contains("error"));
        if (!example.key.empty()) CHECK(answer.contains(example.key));
    }
}

TEST_CASE("every command tells of a mistake in its command line as JSON, and ends with 64") {
    Ctl ctl;
    for (const auto& command : ctl::commands()) {
        CAPTURE(command.name);
        check_error(ctl.run_example(command, "--no-such-option"), 64);
        for (const auto& option : command.options)
            if (!option.choices.empty())
                check_error(ctl.run_example(command, "--" + std::string(option.name) + "=nonsense"), 64);
    }
    check_error(ctl.run({"--json"}), 64);
    check_error(ctl.run({"frobnicate", "--json"}), 64);
}

TEST_CASE("every command tells of a bad configuration as JSON, with each problem, and ends with 78") {
    Ctl ctl;
    ctl.settings.insert(ctl.settings.end(), {"worker.lease=soon", "no.such=key"});
    for (const auto& command : ctl::commands()) {
        CAPTURE(command.name);
        const auto finished = ctl.run_example(command);
        if (command.despite_problems) {  // doctor: its answer is what it found
            CHECK(finished.code == 78);
            CHECK(document(finished)["checks"].size() > 2);
            continue;
        }
        check_error(finished, 78);
        CHECK(document(finished)["problems"].size() == 2);
    }
}

TEST_CASE("every command tells of a database that is away as JSON, and ends with 69") {
    Ctl ctl;
    ctl.url = "host=127.0.0.1 port=1 dbname=memoir";
    for (const auto& command : ctl::commands()) {
        CAPTURE(command.name);
        if (!examples.at(std::string(command.name)).needs_database) continue;
        const auto finished = ctl.run_example(command);
        if (command.name == "doctor") {  // its answer is what it found
            CHECK(finished.code == 69);
            CHECK(document(finished)["checks"].is_array());
        } else {
            check_error(finished, 69);
        }
    }
}

TEST_CASE("every command tells of a schema that is not there as JSON, and ends with 78") {
    Ctl ctl;
    ctl.settings.emplace_back("database.schema=not_there");
    for (const auto& command : ctl::commands()) {
        CAPTURE(command.name);
        const bool works = command.rights == ctl::Rights::owner;  // that is what it is for
        if (works || !examples.at(std::string(command.name)).needs_database) continue;
        const auto finished = ctl.run_example(command);
        if (command.name == "doctor") {
            CHECK(finished.code == 78);
            CHECK(document(finished)["checks"].is_array());
        } else {
            check_error(finished, 78);
        }
    }
}

TEST_CASE("what is not there ends with 1") {
    Ctl ctl;
    for (const auto* command : {"show", "why", "retry", "delete"})
        check_error(ctl.run({"jobs", command, "--json", "987654"}), 1);
}

TEST_CASE("a backend that refuses is told as JSON, and an absent one ends with 69") {
    Ctl ctl;
    ctl.settings.emplace_back("embedding.url=http://127.0.0.1:1");
    check_error(ctl.run(split("search --json" + scope_options + " words")), 69);
    check_error(ctl.run(split("graph show --json" + scope_options)), 78);  // none is configured
    check_error(ctl.run(split("graph show --json --dot" + scope_options)), 64);
}

TEST_CASE("the version, too, is told as JSON") {
    Ctl ctl;
    CHECK(document(ctl.run({"--version", "--json"}))["program"] == "memoirctl");
}
