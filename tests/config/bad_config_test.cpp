// Each line is a mistake that somebody makes: the file, where its one problem must stand, and words of the
// problem and of its HINT.

#include <catch2/catch.hpp>

#include "config/loading.hpp"

using memoir::test::all;
using memoir::test::ConfigFolder;

namespace {

struct Case {
    const char* mistake;
    const char* content;
    const char* where;  // line:column
    const char* text;
    const char* hint;
};

const Case toml[]{
    // Syntax
    {"a text without quotes", "[log]\nlevel = info\n", "2:12", "not TOML", "double quotes"},
    {"a duration without quotes", "[worker]\nlease = 60s\n", "2:11", "not TOML", "double quotes"},
    {"a section that is not closed", "[log\nlevel = \"info\"\n", "1:5", "not TOML", "[section]"},
    {"typographic quotes", "[log] # größer\nformat = 'ä'\nlevel = “info”\n", "3:9", "beyond ASCII",
     "plain quotes"},
    {"a name beyond ASCII", "[embedding]\nmodèle = 1\n", "2:4", "beyond ASCII", "plain quotes"},
    {"a continued line beyond ASCII", "[embedding]\nmodel = \"\"\"a\\\n  é\"\"\"\n", "3:3", "beyond ASCII",
     "quotes"},
    {"a section without a name", "[=]\n", "1:2", "the key is not valid", "[section]"},
    {"a key without a value", "[log]\nlevel =\n", "2:8", "not TOML", "key = value"},
    {"a key twice", "[log]\nlevel = \"info\"\nlevel = \"debug\"\n", "3:9", "twice", "keep one"},
    {"a section twice", "[log]\n[worker]\n[log]\n", "3:1", "twice", "keep one"},
    {"a text that is not closed", "[log]\nlevel = \"info\n", "2:14", "not TOML", "double quotes"},
    {"a file that is not UTF-8", "[log]\nlevel = \"\xFFinfo\"\n", "2:10", "UTF-8", "save the file"},
    // Names
    {"a slip in a key", "[worker]\nleese = \"60s\"\n", "2:1", "no key worker.leese", "did you mean lease?"},
    {"letters of a key swapped", "[worker]\npoll_intreval = \"1s\"\n", "2:1", "worker.poll_intreval",
     "did you mean poll_interval?"},
    {"a dash for an underscore", "[worker]\nmax-attempts = 3\n", "2:1", "worker.max-attempts",
     "did you mean max_attempts?"},
    {"a key in the wrong section", "[database]\nlease = \"60s\"\n", "2:1", "database.lease",
     "did you mean worker.lease?"},
    {"a key like no other", "[log]\ncolour = true\n", "2:1", "log.colour", "[log] has level, format"},
    {"a slip in a section", "[worked]\nlease = \"60s\"\n", "1:2", "no section [worked]",
     "did you mean [worker]?"},
    {"a section like no other", "[kubernetes]\n", "1:2", "no section", "the sections are database, worker"},
    {"a key outside the sections", "lease = \"60s\"\n", "1:1", "outside the sections",
     "did you mean worker.lease?"},
    {"a value for a section", "worker = 5\n", "1:1", "a section, not a key", "write [worker]"},
    {"lanes as a list of tables", "[[lanes]]\nkinds = [\"embed\"]\n", "1:3", "a section, not a key",
     "[lanes.embed]"},
    {"a lane's name with a space", "[lanes.\"a b\"]\nkinds = [\"embed\"]\n", "1:8", "not a valid lane name",
     "a-z"},
    {"a slip in a lane's key", "[lanes.a]\nkinds = [\"embed\"]\nloop = 2\n", "3:1", "lanes.a.loop",
     "did you mean loops?"},
    {"a label that does not exist", "[classifier.labels]\npreferences = \"x\"\n", "2:1",
     "classifier.labels.preferences", "did you mean preference?"},
    // Types
    {"a number in quotes", "[database]\npool = \"8\"\n", "2:8", "must be an integer, not a string",
     "write pool = 8, without quotes"},
    {"a fraction for a whole number", "[database]\npool = 8.5\n", "2:8", "must be an integer",
     "a whole number"},
    {"a duration without a unit", "[worker]\nlease = 60\n", "2:9", "must be a duration, not an integer",
     "write lease = \"60s\" (units: ms, s, m, h, d)"},
    {"a duration in quotes without a unit", "[worker]\nlease = \"60\"\n", "2:9", "has no unit", "\"60s\""},
    {"a duration with an unknown unit", "[worker]\nlease = \"1 minute\"\n", "2:9", "is not a duration",
     "units: ms"},
    {"a negative duration", "[worker]\nlease = \"-5s\"\n", "2:9", "is not a duration", "units"},
    {"a duration beyond all bounds", "[worker]\nlease = \"99999999999999999999h\"\n", "2:9",
     "is not a duration", "units"},
    {"a boolean in quotes", "[worker]\nlisten = \"yes\"\n", "2:10", "must be true or false, not a string",
     "without quotes"},
    {"a text for a list", "[lanes.a]\nkinds = \"embed\"\n", "2:9", "must be a list of strings, not a string",
     "with brackets"},
    {"a number for a text", "[embedding]\nmodel = 7\n", "2:9", "must be a string, not an integer",
     "write model = \"7\", in quotes"},
    {"a date for a text", "[embedding]\nmodel = 2024-01-01\n", "2:9", "not a date or time", "in quotes"},
    {"a number among the kinds", "[lanes.a]\nkinds = [\n  \"embed\",\n  3,\n]\n", "4:3",
     "an integer where a string", "in quotes"},
    {"a table for a value", "[worker.lease]\nseconds = 60\n", "1:1", "must be a duration, not a table",
     "\"30s\""},
    // Ranges and choices
    {"no connections", "[database]\npool = 0\n", "2:8", "database.pool is 0, outside its range",
     "between 1 and 1000"},
    {"more than an int", "[worker]\nmax_attempts = 9223372036854775807\n", "2:16", "outside its range",
     "between 1 and"},
    {"a lease too short", "[worker]\nlease = \"10ms\"\npoll_interval = \"10ms\"\n", "2:9",
     "worker.lease is 10ms, outside its range", "between 1s and 1d"},
    {"a lane without loops", "[lanes.a]\nkinds = [\"embed\"]\nloops = 0\n", "3:9", "outside its range",
     "between 1 and"},
    {"a lane with a batch too large", "[lanes.a]\nkinds = [\"embed\"]\nbatch = 5000\n", "3:9",
     "outside its range", "between 1 and 1000"},
    {"a threshold in percent", "[classifier]\nthreshold = 50\n", "2:13", "outside its range",
     "between 0 and 1"},
    {"a threshold that is no number", "[classifier]\nthreshold = nan\n", "2:13", "outside its range",
     "between 0 and 1"},
    {"an unknown level", "[log]\nlevel = \"warn\"\n", "2:9", "does not accept this value",
     "debug, info, warning"},
    {"a slip in a provider", "[extraction]\nprovider = \"olama\"\n", "2:12", "does not accept this value",
     "did you mean \"ollama\"?"},
    {"a kind that does not exist", "[lanes.a]\nkinds = [\"embed\", \"extracts\"]\n", "2:19",
     "a kind that does not exist", "did you mean \"extract\"? the kinds are embed, extract, categorize"},
    {"a kind twice in a lane", "[lanes.a]\nkinds = [\"embed\", \"embed\"]\n", "2:19", "embed twice", "once"},
    {"an empty model", "[embedding]\nmodel = \"\"\n", "2:9", "is empty", "leave the key out"},
    {"a line break in a text", "[vector]\ncollection = \"a\\nb\"\n", "2:14", "control character", "one line"},
    {"a path for a shell", "[embedding]\nmodel_dir = \"~/models\"\n", "2:13", "does not expand", "full path"},
    // URLs and addresses
    {"a URL without a scheme", "[vector]\nurl = \"localhost:6333\"\n", "2:7",
     "not an http:// or https:// URL", "http://HOST:PORT"},
    {"a URL of another scheme", "[vector]\nurl = \"ftp://localhost\"\n", "2:7",
     "not an http:// or https:// URL", "http://HOST:PORT"},
    {"a port that is none", "[vector]\nurl = \"http://localhost:70000\"\n", "2:7", "not an http://",
     "http://HOST:PORT"},
    {"a password in a URL", "[vector]\nurl = \"https://u:hunter2@host\"\n", "2:7", "contains credentials",
     "vector.api_key_file"},
    {"a key in a URL's query", "[extraction]\nurl = \"https://host/?api_key=hunter2\"\n", "2:7",
     "contains credentials", "extraction.api_key_file"},
    {"a password in the graph's URL", "[graph]\nurl = \"redis://:hunter2@host:6379\"\n", "2:7",
     "contains a user or a password", "graph.password_file"},
    {"an HTTP URL for the graph", "[graph]\nurl = \"http://host:6379\"\n", "2:7", "not a FalkorDB URL",
     "redis://HOST:PORT"},
    {"a connection string that is none", "[database]\nurl = \"memoir\"\n", "2:7", "neither a libpq URI nor",
     "postgresql://HOST:PORT/DATABASE"},
    {"an unknown libpq keyword", "[database]\nurl = \"hots=db1 dbname=memoir\"\n", "2:7",
     "neither a libpq URI", "host=... port="},
    {"a slash in a URI's password", "[database]\nurl = \"postgresql://u:hun/ter2@db/memoir\"\n", "2:7",
     "an invalid port", "%2F"},
    {"metrics without a host", "[metrics]\nlisten = \":9464\"\n", "2:10", "not an address to listen on",
     "127.0.0.1:9464"},
    {"metrics for everybody", "[metrics]\nlisten = \"0.0.0.0:9464\"\n", "2:10", "not a loopback address",
     "metrics.allow_remote = true"},
    {"an empty host name", "[metrics]\nhost_names = [\"a\", \"\"]\n", "2:20", "empty string", "leave it out"},
    {"a host name that is no text", "[metrics]\nhost_names = [1]\n", "2:15", "where a string is expected",
     "in quotes"},
    // Names that go elsewhere
    {"a schema in capitals", "[database]\nschema = \"Memoir\"\n", "2:10", "not a valid schema name",
     "a-z, 0-9"},
    {"a schema of PostgreSQL's own", "[database]\nschema = \"pg_memoir\"\n", "2:10", "PostgreSQL reserves",
     "another"},
    {"a slash in the host", "[worker]\nhost = \"rack1/host2\"\n", "2:8", "claimed_by", "without `/`"},
    {"a colon in the host", "[worker]\nhost = \"host:1\"\n", "2:8", "claimed_by", "without `/`"},
    {"a collection that Qdrant refuses", "[vector]\ncollection = \"a/b\"\n", "2:14", "Qdrant accepts",
     "none of"},
    // Contradictions
    {"a lease shorter than two statements", "[worker]\nlease = \"20s\"\n", "2:9",
     "more than half of worker.lease", "at most 10s"},
    {"a statement longer than half a lease", "[database]\nstatement_timeout = \"31s\"\n", "2:21",
     "more than half of worker.lease", "at most 30s"},
    {"a kind in two lanes", "[lanes.a]\nkinds = [\"embed\"]\n[lanes.b]\nkinds = [\"extract\", \"embed\"]\n",
     "4:9", "embed is in two lanes, a and b", "one lane only"},
    {"a lane without kinds", "[lanes.embed]\nloops = 4\n", "1:8", "has no kinds", "replaces all three"},
    {"a lane with an empty list", "[lanes.embed]\nkinds = []\n", "2:9", "has no kinds",
     "kinds = [\"embed\"]"},
    {"a base above the cap", "[worker]\nretry_base = \"1m\"\nretry_cap = \"30s\"\n", "2:14",
     "retry_base is longer than worker.retry_cap", "at least 60s"},
    {"a poll as long as the lease", "[worker]\npoll_interval = \"60s\"\n", "2:17",
     "not shorter than worker.lease", "shorter than 60s"},
    {"an HTTP provider without a URL", "[embedding]\nprovider = \"tei\"\n", "2:12",
     "embedding.url is not set", "embedding.url = \"http://HOST:PORT\""},
    {"a context smaller than the reply", "[extraction]\nnum_ctx = 2048\n", "2:11",
     "too small for the reply alone", "max_output_tokens (4096)"},
    {"a user without a password", "[graph]\nuser = \"memoird\"\n", "2:8", "graph.password is not",
     "graph.password_file"},
    {"a prompt that is not there", "[extraction]\nprompt_file = \"/nowhere/prompt.txt\"\n", "2:15",
     "cannot be read: No such file", "leave the key out"},
    // Secrets
    {"a key in the file", "[extraction]\napi_key = \"sk-hunter2\"\n", "2:11",
     "must not be in the configuration", "api_key_file = \"/path\""},
    {"a password in the file", "[graph]\npassword = \"hunter2\"\n", "2:12", "must not be in",
     "password_credential"},
    {"a key where its path belongs", "[vector]\napi_key_file = \"sk-hunter2\"\n", "2:16",
     "is not an absolute path", "full path"},
    {"a key's file that is not there", "[vector]\napi_key_file = \"/nowhere/key\"\n", "2:16",
     "the file /nowhere/key does not exist", "its only line"},
    {"a key's file that is a folder", "[vector]\napi_key_file = \"/tmp\"\n", "2:16", "not a regular file",
     "0400"},
    {"a credential without systemd", "[vector]\napi_key_credential = \"qdrant\"\n", "2:22",
     "was passed no credentials", "vector.api_key_file"},
    {"a credential with a path", "[vector]\napi_key_credential = \"/etc/key\"\n", "2:22",
     "not a valid credential name", "LoadCredential="},
    {"two sources of a URL", "[database]\nurl_file = \"/dev/null\"\nurl = \"dbname=a\"\n", "3:7",
     "both name the same secret", "keep one"},
};

const std::string deep(40, '[');

const Case json[]{
    {"an empty file", "", "1:1", "empty", "{}"},
    {"a list for the file", "[]", "1:1", "a list, not an object", "{}"},
    {"a comment", "{\n  // level\n  \"log\": {}\n}", "2:3", "no comments", "TOML"},
    {"a comma after the last member", "{\"log\": {\"level\": \"info\",}}", "1:26", "name in double quotes",
     "remove the comma"},
    {"a comma after the last item", "{\"lanes\": {\"a\": {\"kinds\": [\"embed\",]}}}", "1:36",
     "ends with a comma", "remove the comma"},
    {"a name without quotes", "{log: {}}", "1:2", "name in double quotes", "\"name\": value"},
    {"single quotes", "{'log': {}}", "1:2", "name in double quotes", "\"name\": value"},
    {"a missing colon", "{\"log\" {}}", "1:8", "colon", "\"name\": value"},
    {"a missing comma", "{\"log\": {}\n \"worker\": {}}", "2:2", "comma or }", ""},
    {"a text that is not closed", "{\"log\": {\"level\": \"info}}", "1:19", "is not closed", "double quote"},
    {"a line break in a text", "{\"log\": {\"level\": \"in\nfo\"}}", "1:22", "control character", "\\n"},
    {"an unknown escape", "{\"log\": {\"level\": \"\\q\"}}", "1:20", "unknown escape", "\\\\"},
    {"half a surrogate pair", "{\"log\": {\"level\": \"\\ud800\"}}", "1:20", "surrogate", "itself"},
    {"a value without quotes", "{\"log\": {\"level\": info}}", "1:19", "not a JSON value", "double quotes"},
    {"a duration without quotes", "{\"worker\": {\"lease\": 60s}}", "1:22", "not a valid number",
     "double quotes"},
    {"a leading zero", "{\"database\": {\"pool\": 08}}", "1:23", "not a valid number", ""},
    {"a number that ends early", "{\"database\": {\"pool\": 1.}}", "1:23", "not a valid number",
     "double quotes"},
    {"a number in hexadecimal", "{\"database\": {\"pool\": 0x10}}", "1:23", "not a valid number", ""},
    {"a number beyond all", "{\"database\": {\"pool\": 1e999}}", "1:23", "too large", ""},
    {"two commas", "{\"lanes\": {\"a\": {\"kinds\": [\"embed\",, \"extract\"]}}}", "1:36", "not a JSON value",
     ""},
    {"two colons", "{\"log\":: {}}", "1:8", "not a JSON value", ""},
    {"a comma for a colon", "{\"log\", {}}", "1:7", "colon", "\"name\": value"},
    {"no comma in a list", "{\"lanes\": {\"a\": {\"kinds\": [\"embed\" \"extract\"]}}}", "1:36", "comma or ]",
     ""},
    {"half a word", "{\"metrics\": {\"listen\": tru}}", "1:24", "not a JSON value", ""},
    {"half an escape", "{\"log\": {\"level\": \"\\u12\"}}", "1:20", "hexadecimal", ""},
    {"a file that ends in a value", "{\"log\": {\"level\":", "1:18", "ends where a value", ""},
    {"a file that ends in an object", "{\"log\": {", "1:10", "ends inside an object", ""},
    {"a comment at the end", "{}\n# done", "2:1", "no comments", "TOML"},
    {"nested too deeply", deep.c_str(), "1:34", "nested too deeply", ""},
    {"something after the end", "{}\n{}", "2:1", "after the end", "one JSON object"},
    {"a key twice", "{\"log\": {\"level\": \"info\",\n \"level\": \"debug\"}}", "2:2", "twice", "keep one"},
    {"a file cut short", "{\"log\": {\"level\"", "1:17", "colon", ""},
    {"no UTF-8", "{\"log\":\n\"\xC3\x28\"}", "2:2", "UTF-8", "save the file"},
    {"null", "{\"log\": {\"level\": null}}", "1:19", "null", "one of debug"},
    {"a slip in a key", "{\n  \"worker\": {\n    \"leese\": \"60s\"\n  }\n}", "3:5", "no key worker.leese",
     "did you mean lease?"},
    {"a slip in a section", "{\n  \"worked\": {}\n}", "2:3", "no section [worked]", "[worker]"},
    {"a number in quotes", "{\n  \"database\": { \"pool\": \"8\" }\n}", "2:25",
     "must be an integer, not a string", "pool = 8"},
    {"a duration without a unit", "{\"worker\": {\"lease\": 60}}", "1:22", "not an integer", "\"60s\""},
    {"a kind in two lanes",
     "{\"lanes\": {\n\"a\": {\"kinds\": [\"embed\"]},\n\"b\": {\"kinds\": [\"embed\"]}}}", "3:16",
     "in two lanes, a and b", "one lane"},
    {"a NUL in a URL", "{\"vector\": {\"url\": \"http://a\\u0000b\"}}", "1:20", "control character",
     "one line"},
    {"a position behind letters beyond ASCII", "{\"log\": {\"formät\": 1, \"level\": 3}}", "1:10",
     "log.formät", ""},
    {"a column behind letters beyond ASCII", "{\"log\": {\"format\": \"täxt\", \"level\": 3}}", "1:20",
     "log.format", "auto, json, text"},
    {"numbers beyond 64 bits", "{\"database\": {\"pool\": 99999999999999999999}}", "1:23",
     "must be an integer", "whole number"},
};

void check(const Case& one, const std::string& name) {
    const ConfigFolder folder;
    const auto loaded = folder.load(one.content, name);
    INFO(one.mistake << "\n" << one.content << "\n" << folder.relative(all(loaded.problems)));
    CHECK_FALSE(loaded.problems.empty());
    if (loaded.problems.empty()) return;
    const auto& problem = loaded.problems.front();
    CHECK(folder.relative(problem.where) == name + ":" + one.where);
    CHECK_THAT(problem.text, Catch::Contains(one.text));
    CHECK_THAT(problem.hint, Catch::Contains(one.hint));
    CHECK(loaded.printed.empty());
    CHECK_THAT(memoir::test::everything_shown(loaded), !Catch::Contains("hunter2"));
}

}  // namespace

TEST_CASE("every mistake in a TOML file is shown with its place and a hint") {
    for (const Case& one : toml) check(one, "memoird.toml");
}

TEST_CASE("every mistake in a JSON file is shown with its place and a hint") {
    for (const Case& one : json) check(one, "memoird.json");
}

TEST_CASE("a NUL does not end a JSON file") {
    const ConfigFolder folder;
    const auto file = folder.write("memoird.json", std::string("{}\0{}", 5));
    const auto loaded = folder.load_file(file);
    REQUIRE(loaded.problems.size() == 1);
    CHECK(folder.relative(loaded.problems.front().where) == "memoird.json:1:3");
    CHECK_THAT(loaded.problems.front().text, Catch::Contains("after the end"));
}

TEST_CASE("one mistake makes one problem") {
    for (const Case& one : toml) {
        const ConfigFolder folder;
        const auto loaded = folder.load(one.content);
        INFO(one.mistake << "\n" << all(loaded.problems));
        CHECK(loaded.problems.size() == 1);
    }
}

TEST_CASE("all problems are shown at once, in the order of the file") {
    ConfigFolder folder;
    folder.environment["MEMOIRD_WORKER_MAX_ATTEMPTS"] = "none";
    folder.sets = {"log.levle=info"};
    const auto loaded = folder.load(
        "[database]\nschema = \"A\"\npool = \"8\"\n[worker]\nlease = \"1s\"\nleese = \"1s\"\n[vector]\nurl = "
        "\"x\"\n");
    std::vector<std::string> places;
    for (const auto& problem : loaded.problems) places.push_back(folder.relative(problem.where));
    CHECK(places == std::vector<std::string>{"memoird.toml:2:10", "memoird.toml:3:8", "memoird.toml:5:9",
                                             "memoird.toml:5:9", "memoird.toml:6:1", "memoird.toml:8:7",
                                             "MEMOIRD_WORKER_MAX_ATTEMPTS", "--set log.levle"});
}

TEST_CASE("a broken value causes no second problem about what follows from it") {
    const ConfigFolder folder;
    const auto loaded = folder.load("[worker]\nlease = 60\n[database]\nstatement_timeout = \"10m\"\n");
    REQUIRE(loaded.problems.size() == 1);
    CHECK_THAT(loaded.problems[0].text, Catch::Contains("must be a duration"));
}

TEST_CASE("a missing file is a problem where it was asked for, and empty where it was not") {
    const ConfigFolder folder;
    const auto required = folder.load_file("/nowhere/memoird.toml");
    REQUIRE(required.problems.size() == 1);
    CHECK(required.problems[0].where == "/nowhere/memoird.toml");
    CHECK_THAT(required.problems[0].to_string(),
               Catch::Contains("does not exist") && Catch::Contains("HINT: "));
    CHECK(folder.load_file("/nowhere/memoird.toml", false).problems.empty());
    CHECK(folder.load_file("/dev/null").problems.empty());
    // It may be there for the service alone: a person who looks goes on with what else there is.
    const auto unreadable = folder.load_file(folder.path("."), false);
    CHECK(unreadable.problems.empty());
    REQUIRE(unreadable.warnings.size() == 1);
    CHECK(unreadable.warnings[0].where == folder.path("."));
    CHECK_THAT(unreadable.warnings[0].to_string(),
               Catch::Contains("cannot be read") && Catch::Contains("--config"));
    const auto directory = folder.load_file(folder.path("."));
    REQUIRE(directory.problems.size() == 1);
    CHECK_THAT(directory.problems[0].text, Catch::Contains("cannot be read"));
}
