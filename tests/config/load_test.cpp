#include <algorithm>
#include <catch2/catch.hpp>

#include "config/loading.hpp"

using namespace std::chrono_literals;
using memoir::config::Config;
using memoir::test::all;
using memoir::test::ConfigFolder;
using memoir::work::LaneOptions;

namespace {

// Two configurations are the same when nothing would have to be applied to get from one to the other.
void check_same(const Config& a, const Config& b) {
    const auto changes = memoir::config::changed_keys(a, b);
    CHECK(changes.live.empty());
    CHECK(changes.restart.empty());
}

std::string line_with(const std::string& text, const std::string& part) {
    const auto at = text.find(part);
    if (at == text.npos) return "";
    const auto begin = text.rfind('\n', at) + 1;
    return text.substr(begin, text.find('\n', at) - begin);
}

}  // namespace

TEST_CASE("an empty file is the defaults") {
    const ConfigFolder folder;
    for (const char* name : {"memoird.toml", "memoird.json"}) {
        const auto loaded = folder.load(std::string(name).ends_with("json") ? "{}" : "", name);
        INFO(all(loaded.problems));
        CHECK(loaded.problems.empty());
        CHECK(loaded.warnings.empty());
        check_same(loaded.config, Config{});
        CHECK_FALSE(loaded.config.extraction);
        CHECK_FALSE(loaded.config.graph);
    }
}

TEST_CASE("reads every kind of value from TOML") {
    const ConfigFolder folder;
    const auto loaded = folder.load(R"(
[database]
url = "host=db1 dbname=memoir"
pool = 0x10
statement_timeout = '500ms'
[worker]
lease = "1m30s"
listen = false
unconfigured = "complete"
graph_absent = "leave"
[lanes.only]
kinds = ["embed", "categorize"]
loops = 3
[classifier]
threshold = 1
labels.identity = "who they are"
[log]
level = "warning"
format = "json"
)");
    INFO(all(loaded.problems));
    REQUIRE(loaded.problems.empty());
    const Config& config = loaded.config;
    CHECK(config.database.url.reveal() == "host=db1 dbname=memoir");
    CHECK(config.database.pool == 16);
    CHECK(config.database.statement_timeout == 500ms);
    CHECK(config.worker.lease == 90s);
    CHECK_FALSE(config.worker.listen);
    CHECK(config.worker.complete_unconfigured);
    CHECK(config.worker.leave_graph_absent);
    CHECK(config.worker.lanes == std::vector<LaneOptions>{{"only", {"embed", "categorize"}, 3, 1}});
    REQUIRE(config.classifier);
    CHECK(config.classifier->threshold == 1.0);
    CHECK(config.classifier->labels.at("identity") == "who they are");
    CHECK(config.log.level == memoir::telemetry::Level::warning);
    CHECK(config.log.format == memoir::telemetry::Format::json);
}

TEST_CASE("texts beyond ASCII are read from every form of text that TOML has") {
    const ConfigFolder folder;
    const char* const lines[]{
        "model = \"é “ü”\"",
        "model = 'é “ü”'",
        "model = \"\"\"é “ü”\"\"\"",
        "model = '''é “ü”'''  # é",
        "model = \"\"\"\\\n   \\u00e9 “ü”\"\"\" # ü",
        "\"model\" = \"\\u00e9 \\u201cü\\u201d\"",
    };
    for (const char* line : lines) {
        const auto loaded = folder.load("[embedding]\n" + std::string(line) + "\n");
        INFO(line << "\n" << all(loaded.problems));
        REQUIRE(loaded.problems.empty());
        CHECK(loaded.config.embedding.model == "é “ü”");
    }
    CHECK(folder.load("[embedding]\nmodel = \"\"\"é\"\"\"\"\" # ü\n").config.embedding.model == "é\"\"");
    CHECK(folder.load("\xEF\xBB\xBF[embedding]\nmodel = \"x\"\n").config.embedding.model == "x");
}

TEST_CASE("JSON has the same keys as TOML") {
    const ConfigFolder folder;
    const auto toml = folder.load(
        "[worker]\nlease = \"2m\"\n[lanes.a]\nkinds = [\"embed\"]\nbatch = 8\n[graph]\nname = "
        "\"g\\u00e9\\\"\"\n"
        "[classifier]\nthreshold = 0.25\nlabels.factual = \"x\"\n");
    const auto json = folder.load(
        R"({"worker": {"lease": "2m"}, "lanes": {"a": {"kinds": ["embed"], "batch": 8}},
            "graph": {"name": "g\u00e9\""},
            "classifier": {"threshold": 2.5e-1, "labels": {"factual": "x"}}})",
        "memoird.json");
    INFO(all(toml.problems) << all(json.problems));
    REQUIRE((toml.problems.empty() && json.problems.empty()));
    check_same(toml.config, json.config);
    CHECK(json.config.graph->name == "g\xC3\xA9\"");
    CHECK(json.config.worker.lease == 120s);
}

TEST_CASE("a flag comes before the environment, the environment before the file") {
    ConfigFolder folder;
    const std::string file = "[worker]\nlease = \"70s\"\npoll_interval = \"2s\"\nmax_attempts = 4\n";
    CHECK(folder.load(file).config.worker.lease == 70s);
    folder.environment["MEMOIRD_WORKER_LEASE"] = "80s";
    folder.environment["MEMOIRD_WORKER_POLL_INTERVAL"] = "3s";
    CHECK(folder.load(file).config.worker.lease == 80s);
    folder.sets = {"worker.lease=90s", "worker.lease=100s"};
    const auto loaded = folder.load(file);
    CHECK(loaded.problems.empty());
    CHECK(loaded.config.worker.lease == 100s);
    CHECK(loaded.config.worker.poll_interval == 3s);
    CHECK(loaded.config.worker.max_attempts == 4);
}

TEST_CASE("a mistake in the file is shown although a flag overrides it") {
    ConfigFolder folder;
    folder.sets = {"worker.lease=100s"};
    CHECK(folder.load("[worker]\nlease = 70\n").problems.size() == 1);
}

TEST_CASE("--set takes TOML values and bare texts") {
    ConfigFolder folder;
    folder.sets = {"worker.host=box",
                   "embedding.model=\"a = b\"",
                   "database.pool=3",
                   "worker.listen=false",
                   "log.level='debug'",
                   "lanes.a.kinds=[\"embed\"]",
                   "lanes.b.kinds=extract, reprocess",
                   "lanes.b.loops=2",
                   "database.url=host=db dbname=x"};
    const auto loaded = folder.load("");
    INFO(all(loaded.problems));
    REQUIRE(loaded.problems.empty());
    CHECK(loaded.config.worker.host == "box");
    CHECK(loaded.config.embedding.model == "a = b");
    CHECK(loaded.config.database.pool == 3);
    CHECK_FALSE(loaded.config.worker.listen);
    CHECK(loaded.config.log.level == memoir::telemetry::Level::debug);
    CHECK(loaded.config.worker.lanes ==
          std::vector<LaneOptions>{{"a", {"embed"}, 1, 1}, {"b", {"extract", "reprocess"}, 2, 1}});
    CHECK(loaded.config.database.url.reveal() == "host=db dbname=x");
}

TEST_CASE("flags and variables with mistakes are named, with a hint") {
    struct Case {
        const char* set;
        const char* where;
        const char* text;
        const char* hint;
    };
    const Case cases[]{
        {"worker.leese=1s", "--set worker.leese", "no key worker.leese", "did you mean lease?"},
        {"lease=1s", "--set lease", "outside the sections", "did you mean worker.lease?"},
        {"wroker.lease=1s", "--set wroker.lease", "no section [wroker]", "did you mean [worker]?"},
        {"lanes.a.loop=1", "--set lanes.a.loop", "lanes.a.loop", "did you mean loops?"},
        {"lanes.A B.loops=1", "--set lanes.A B.loops", "not a valid lane name", "a-z"},
        {"worker.lease", "--set KEY=VALUE", "needs a key and a value", "worker.lease=30s"},
        {"=1s", "--set KEY=VALUE", "needs a key and a value", "worker.lease=30s"},
        {"worker.lease=30", "--set worker.lease", "has no unit", "\"30s\""},
        {"database.pool=many", "--set database.pool", "must be an integer", "whole number"},
        {"database.pool=8\nx = 1", "--set database.pool", "must be an integer", "whole number"},
        {"database.pool=", "--set database.pool", "must be an integer", "whole number"},
        {"lanes.a.kinds=[embed]", "--set lanes.a.kinds", "must be a list", "brackets"},
        {"vector.api_key=hunter2", "--set vector.api_key", "must not be in", "vector.api_key_file"},
        {"vector.url=https://u:hunter2@h", "--set vector.url", "contains credentials", "api_key_file"},
        {"embedding.model=\xFF", "--set embedding.model", "not UTF-8", ""},
        {"lanes.llm.kinds=", "--set lanes.llm.kinds", "has no kinds", "kinds = "},
    };
    for (const Case& one : cases) {
        ConfigFolder folder;
        folder.sets = {one.set};
        const auto loaded = folder.load("");
        INFO(one.set << "\n" << all(loaded.problems));
        REQUIRE(loaded.problems.size() == 1);
        CHECK(loaded.problems[0].where == one.where);
        CHECK_THAT(loaded.problems[0].text, Catch::Contains(one.text));
        if (std::string(one.set).starts_with("vector.api_key")) continue;
        CHECK_THAT(loaded.problems[0].hint, Catch::Contains(one.hint));
        CHECK_THAT(all(loaded.problems), !Catch::Contains("hunter2"));
    }
}

TEST_CASE("a variable that matches no key is a problem, or a warning when it may be somebody else's") {
    ConfigFolder folder;
    folder.environment = {{"MEMOIRD_WORKER_LEESE", "1s"},
                          {"MEMOIRD_DEBIAN_FRONTEND", "x"},
                          {"MEMOIRD_CACHE", "/tmp"},
                          {"MEMOIRD_LOG_LVEL", "debug"},
                          {"PATH", "/bin"},
                          {"memoird_worker_lease", "1s"}};
    const auto loaded = folder.load("");
    INFO(all(loaded.problems) << all(loaded.warnings));
    REQUIRE(loaded.problems.size() == 2);
    CHECK(loaded.problems[0].where == "MEMOIRD_LOG_LVEL");
    CHECK_THAT(loaded.problems[0].hint, Catch::Contains("MEMOIRD_LOG_LEVEL?"));
    CHECK(loaded.problems[1].where == "MEMOIRD_WORKER_LEESE");
    CHECK_THAT(loaded.problems[1].hint, Catch::Contains("MEMOIRD_WORKER_LEASE?"));
    REQUIRE(loaded.warnings.size() == 1);
    CHECK(loaded.warnings[0].where == "MEMOIRD_DEBIAN_FRONTEND");
}

TEST_CASE("what Kubernetes says of a service called like us is nobody's slip of the pen") {
    const std::string name = GENERATE("MEMOIRD", "MEMOIRD_WORKER", "MEMOIRD_GRAPH", "MEMOIRD_LANES_LLM");
    ConfigFolder folder;
    folder.environment = {{name + "_SERVICE_HOST", "10.0.0.7"},
                          {name + "_SERVICE_PORT", "9464"},
                          {name + "_SERVICE_PORT_METRICS", "9464"},
                          {name + "_PORT", "tcp://10.0.0.7:9464"},
                          {name + "_PORT_9464_TCP", "tcp://10.0.0.7:9464"},
                          {name + "_PORT_9464_TCP_PROTO", "tcp"},
                          {name + "_PORT_9464_TCP_PORT", "9464"},
                          {name + "_PORT_9464_TCP_ADDR", "10.0.0.7"},
                          {name + "_PORT_53_UDP_ADDR", "10.0.0.7"}};
    const auto loaded = folder.load("");
    INFO(all(loaded.problems) << all(loaded.warnings));
    CHECK(loaded.problems.empty());
    CHECK(loaded.warnings.empty());
}

TEST_CASE("what only looks like Kubernetes' variables is told as before") {
    for (const char* name : {"MEMOIRD_WORKER_PORT", "MEMOIRD_WORKER_PORT_TCP", "MEMOIRD_WORKER_9464_TCP",
                             "MEMOIRD_WORKER_SERVICE"}) {
        ConfigFolder folder;
        folder.environment[name] = "7";
        const auto loaded = folder.load("");
        INFO(name);
        CHECK(loaded.problems.size() + loaded.warnings.size() == 1);
    }
}

TEST_CASE("a variable that is set to nothing is not set") {
    ConfigFolder folder;
    folder.environment = {
        {"MEMOIRD_WORKER_LEASE", ""}, {"MEMOIRD_WORKER_HOST", ""}, {"MEMOIRD_WORKER_LEESE", ""}};
    const auto loaded = folder.load("[worker]\nlease = \"90s\"\nhost = \"h\"\n");
    INFO(all(loaded.problems) << all(loaded.warnings));
    CHECK(loaded.problems.empty());
    CHECK(loaded.config.worker.lease == std::chrono::seconds(90));
    CHECK(loaded.config.worker.host == "h");
}

TEST_CASE("naming any lane replaces all three") {
    const ConfigFolder folder;
    const auto loaded = folder.load("[lanes.z]\nkinds = [\"embed\"]\n[lanes.a]\nkinds = [\"extract\"]\n");
    REQUIRE(loaded.problems.empty());
    CHECK(loaded.config.worker.lanes ==
          std::vector<LaneOptions>{{"z", {"embed"}, 1, 1}, {"a", {"extract"}, 1, 1}});
}

TEST_CASE("a lane named like a default one has that lane's values where it names none") {
    const ConfigFolder folder;
    const auto loaded =
        folder.load("[lanes.embed]\nkinds = [\"embed\"]\nloops = 3\n[lanes.mine]\nkinds = [\"extract\"]\n");
    INFO(all(loaded.problems));
    REQUIRE(loaded.problems.empty());
    CHECK(loaded.config.worker.lanes ==
          std::vector<LaneOptions>{{"embed", {"embed"}, 3, 32}, {"mine", {"extract"}, 1, 1}});
}

TEST_CASE("a flag or variable changes loops of a default lane and keeps the others") {
    ConfigFolder folder;
    folder.sets = {"lanes.llm.loops=20"};
    folder.environment["MEMOIRD_LANES_EMBED_BATCH"] = "64";
    const auto loaded = folder.load("");
    INFO(all(loaded.problems));
    REQUIRE(loaded.problems.empty());
    auto expected = memoir::work::Options::default_lanes();
    expected[0].batch = 64;
    expected[1].loops = 20;
    CHECK(loaded.config.worker.lanes == expected);
}

TEST_CASE("a variable reaches a lane of the file that has a dash in its name") {
    ConfigFolder folder;
    folder.environment["MEMOIRD_LANES_SLOW_ONES_LOOPS"] = "5";
    const auto loaded = folder.load("[lanes.slow-ones]\nkinds = [\"extract\"]\n");
    INFO(all(loaded.problems));
    REQUIRE(loaded.problems.empty());
    CHECK(loaded.config.worker.lanes == std::vector<LaneOptions>{{"slow-ones", {"extract"}, 5, 1}});
}

TEST_CASE("naming an optional section switches it on, whoever names it") {
    ConfigFolder folder;
    CHECK(folder.load("[graph]\n").config.graph);
    CHECK(folder.load("{\"relational\": {}}", "memoird.json").config.relational);
    CHECK(folder.load("[classifier.labels]\nfactual = \"x\"\n").config.classifier);
    folder.sets = {"extraction.max_concurrent=2"};
    CHECK(folder.load("").config.extraction);
    folder.sets.clear();
    folder.environment["MEMOIRD_CLASSIFIER_LABELS_FACTUAL"] = "It is a fact.";
    const auto loaded = folder.load("");
    REQUIRE(loaded.config.classifier);
    CHECK(loaded.config.classifier->labels.at("factual") == "It is a fact.");
    CHECK_FALSE(loaded.config.extraction);
}

TEST_CASE("a chat provider brings its own URL and model") {
    struct Case {
        const char *provider, *url, *model;
    };
    for (const Case& one : {Case{"ollama", "http://localhost:11434", "llama3.2:1b"},
                            Case{"openai", "https://api.openai.com", "gpt-4o-mini"},
                            Case{"anthropic", "https://api.anthropic.com", "claude-haiku-4-5"}}) {
        ConfigFolder folder;
        folder.sets = {"relational.provider=" + std::string(one.provider)};
        const auto loaded = folder.load("[relational]\nmodel = \"\"\n");
        INFO(all(loaded.problems));
        REQUIRE(loaded.problems.empty());
        CHECK(loaded.config.relational->url == one.url);
        CHECK(loaded.config.relational->model == one.model);
    }
}

TEST_CASE("shows each value with its origin") {
    ConfigFolder folder;
    folder.environment["MEMOIRD_WORKER_MAX_ATTEMPTS"] = "5";
    folder.sets = {"log.level=debug"};
    const auto loaded = folder.load("[worker]\n\nlease = \"90s\"\n[lanes.x]\nkinds = [\"embed\"]\n");
    const std::string printed = folder.relative(loaded.printed);
    INFO(printed);
    const auto has = [&](const std::string& key, const std::string& origin) {
        CHECK_THAT(line_with(printed, "\n" + key).empty() ? line_with(printed, key) : line_with(printed, key),
                   Catch::StartsWith(key) && Catch::EndsWith("# " + origin));
    };
    has("lease = \"90s\"", "memoird.toml:3");
    has("max_attempts = 5", "environment MEMOIRD_WORKER_MAX_ATTEMPTS");
    has("level = \"debug\"", "--set log.level");
    has("pool = 8", "default");
    has("kinds = [\"embed\"]", "memoird.toml:5");
    has("loops = 1", "default");
    CHECK_THAT(printed, Catch::Contains("[lanes.x]") && !Catch::Contains("[lanes.llm]") &&
                            Catch::Contains("# [graph] is not configured"));
}

TEST_CASE("what --print-config shows reads back to the same configuration") {
    const char* const files[]{
        "",
        "[extraction]\n[relational]\nprovider = \"openai\"\nurl = "
        "\"http://localhost:8000/v1?api-version=2\"\n[graph]\n",
        "[classifier]\nthreshold = 0.1\nlabels.factual = \"a \\\"fact\\\" \\\\ here # not a comment\"\n",
        "[lanes.a-b]\nkinds = [\"embed\", \"synthesize\"]\n[worker]\nretry_cap = \"1h1m1s1ms\"\nhost = "
        "\"h#1\"\n",
        "[database]\nurl = \"host='/var/run/my dir' dbname=x sslmode=require\"\nlisten_url = "
        "\"postgresql:///y\"\n",
        "[metrics]\nlisten = \"unix:/run/m.sock\"\n[log]\nlevel = \"error\"\nformat = \"text\"\n",
    };
    for (const char* file : files) {
        const ConfigFolder folder;
        const auto first = folder.load(file);
        INFO(file << "\n" << all(first.problems) << first.printed);
        REQUIRE(first.problems.empty());
        const auto second = folder.load(first.printed, "printed.toml");
        INFO(all(second.problems));
        REQUIRE(second.problems.empty());
        check_same(first.config, second.config);
        CHECK(second.config.worker.lanes == first.config.worker.lanes);
    }
}

TEST_CASE("warns of what works but was probably not meant") {
    struct Case {
        const char *content, *where, *text;
    };
    const Case cases[]{
        {"[worker]\nforeign_lease = \"30s\"\n", "memoird.toml:2:17", "the library's own lease"},
        {"[worker]\ndrain_timeout = \"20m\"\n", "memoird.toml:2:17", "longer than worker.job_timeout"},
        {"[embedding]\nurl = \"http://localhost\"\n", "memoird.toml:2:7", "no effect with the provider onnx"},
        {"[extraction]\nprovider = \"openai\"\n", "memoird.toml:2:12", "no API key"},
        {"[extraction]\ntimeout = \"11m\"\n", "memoird.toml:2:11", "not shorter than worker.job_timeout"},
        {"[extraction]\nprovider = \"openai\"\nurl = \"http://localhost\"\nnum_ctx = 8192\n",
         "memoird.toml:4:11", "no effect with the provider openai"},
        {"[classifier]\nlabels.factual = \"x\"\n", "memoird.toml:2:18", "no effect with the provider onnx"},
        {"[database]\nschema = \"a12345678901234567890123456789012345678901234567890123456\"\n",
         "memoird.toml:2:10", "notification channel"},
        {"[graph]\nca_file = \"/etc/passwd\"\n", "memoird.toml:2:11", "asks for no TLS"},
    };
    for (const Case& one : cases) {
        const ConfigFolder folder;
        const auto loaded = folder.load(one.content);
        INFO(one.content << all(loaded.problems) << all(loaded.warnings));
        CHECK(loaded.problems.empty());
        REQUIRE(loaded.warnings.size() == 1);
        CHECK(folder.relative(loaded.warnings[0].where) == one.where);
        CHECK_THAT(loaded.warnings[0].text, Catch::Contains(one.text));
        CHECK_FALSE(loaded.warnings[0].hint.empty());
    }
}

TEST_CASE("addresses that may be listened on") {
    for (const char* address :
         {"127.0.0.1:9464", "[::1]:9464", "localhost:9464", "127.1.2.3:0", "unix:/run/m.sock", ""}) {
        ConfigFolder folder;
        folder.sets = {"metrics.listen=" + std::string(address)};
        INFO(address);
        CHECK(folder.load("").problems.empty());
    }
    for (const char* address : {"0.0.0.0:9464", "[::]:9464", "192.0.2.1:80"}) {
        ConfigFolder folder;
        folder.sets = {"metrics.listen=" + std::string(address)};
        INFO(address);
        CHECK(folder.load("").problems.size() == 1);
        folder.sets.emplace_back("metrics.allow_remote=true");
        CHECK(folder.load("").problems.empty());
    }
    for (const char* address : {"9464", "localhost", "localhost:", "localhost:70000", "::1:9464",
                                "unix:m.sock", "a b:1", "example.org:9464"}) {
        ConfigFolder folder;
        folder.sets = {"metrics.listen=" + std::string(address), "metrics.allow_remote=true"};
        INFO(address);
        CHECK(folder.load("").problems.size() == 1);
    }
}

TEST_CASE("without a replacement the process's own environment is read") {
    REQUIRE(setenv("MEMOIRD_WORKER_MAX_ATTEMPTS", "7", 1) == 0);
    REQUIRE(setenv("MEMOIRD_LANES_ONLY_KINDS", "embed", 1) == 0);
    const auto loaded = memoir::config::load({});
    unsetenv("MEMOIRD_WORKER_MAX_ATTEMPTS");
    unsetenv("MEMOIRD_LANES_ONLY_KINDS");
    INFO(all(loaded.problems));
    REQUIRE(loaded.problems.empty());
    CHECK(loaded.config.worker.max_attempts == 7);
    CHECK(loaded.config.worker.lanes == std::vector<LaneOptions>{{"only", {"embed"}, 1, 1}});
}
