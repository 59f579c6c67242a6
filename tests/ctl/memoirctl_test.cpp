// The real program against a real PostgreSQL.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "support/postgres.hpp"
#include "support/process.hpp"

using namespace memoir;
using nlohmann::json;
using test::TestSchema;
using With = test::TestSchema::With;

namespace {

// What people said; no output may hold it unless it was asked for.
constexpr const char* said = "my daughter is allergic to hazelnuts";

struct Ctl {
    explicit Ctl(With with = With::all) : schema(with) {}
    TestSchema schema;
    std::vector<std::string> settings{"vector.backend=postgres"};

    test::Finished run(std::vector<std::string> arguments, const std::string& input = "") {
        std::vector<std::string> all{memoirctl_PROGRAM,
                                     "--set",
                                     "database.url=" + test::Cluster::shared().url(),
                                     "--set",
                                     "database.schema=" + schema.name(),
                                     "--set",
                                     "log.format=json"};
        for (const auto& setting : settings) all.insert(all.end(), {"--set", setting});
        all.insert(all.end(), arguments.begin(), arguments.end());
        return test::run({all, {}, input});
    }
    // Must succeed; its answer as JSON.
    json answer(std::vector<std::string> arguments) {
        arguments.emplace_back("--json");
        const auto finished = run(arguments);
        INFO(finished.errors);
        REQUIRE(finished.code == 0);
        return json::parse(finished.output);
    }
    std::int64_t failed(const std::string& kind, const std::string& pid) {
        const auto id = schema.job(pid, kind);
        schema.sql(
            "update $schema.memory_jobs set state = 'failed', attempts = 3, failure_reason = 'too long for "
            "the "
            "model' where id = $1::bigint",
            pg::Params().add(id));
        return id;
    }
};

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// The events of a run, by name.
std::vector<json> events(const test::Finished& finished, const std::string& name) {
    std::vector<json> found;
    std::istringstream lines(finished.errors);
    for (std::string line; std::getline(lines, line);) {
        auto event = json::parse(line, nullptr, false);
        if (event.is_object() && event.value("event", "") == name) found.push_back(std::move(event));
    }
    return found;
}

}  // namespace

TEST_CASE("tells its version and every command's options without a database or configuration") {
    const auto version = test::run({{memoirctl_PROGRAM, "--version"}, {}, {}});
    CHECK(version.code == 0);
    CHECK(has(version.output, "memoirctl "));
    const auto help = test::run({{memoirctl_PROGRAM, "--help"}, {}, {}});
    CHECK(help.code == 0);
    for (const auto* command :
         {"status", "jobs list", "jobs why", "schema apply", "remember", "search", "pause"})
        CHECK(has(help.output, command));
    const auto list = test::run({{memoirctl_PROGRAM, "jobs", "list", "--help"}, {}, {}});
    CHECK(list.code == 0);
    CHECK(has(list.output, "--limit N"));
}

TEST_CASE("output that cannot be written is an error, of every command and of memoird") {
    Ctl ctl;
    const auto run = [](const std::string& command) {
        return test::run({{"/bin/sh", "-c", command}, {}, {}});
    };
    const std::string connection = " --set database.url='" + test::Cluster::shared().url() +
                                   "' --set database.schema=" + ctl.schema.name() +
                                   " --set vector.backend=postgres --config /dev/null ";
    for (const std::string& command :
         {std::string(memoirctl_PROGRAM) + " --version", std::string(memoirctl_PROGRAM) + " --help",
          std::string(memoirctl_PROGRAM) + " status --json" + connection,
          std::string(memoirctl_PROGRAM) + " jobs list" + connection,
          std::string(memoirctl_PROGRAM) + " schema grants someone" + connection,
          std::string(memoird_PROGRAM) + " --help", std::string(memoird_PROGRAM) + " --version",
          std::string(memoird_PROGRAM) + " --print-config" + connection}) {
        CAPTURE(command);
        const auto full = run(command + " > /dev/full");
        CHECK(full.code == 1);
        CHECK(has(full.errors, "the output could not be written"));
        CHECK(run(command + " > /dev/null").code == 0);
    }
}

TEST_CASE("a command line that cannot be understood ends with 64 and a HINT") {
    Ctl ctl;
    const auto arguments = GENERATE(values<std::vector<std::string>>({{},
                                                                      {"frobnicate"},
                                                                      {"jobs"},
                                                                      {"status", "extra"},
                                                                      {"status", "--no-such-option"},
                                                                      {"jobs", "list", "--lim", "3"},
                                                                      {"jobs", "list", "--limit", "0"},
                                                                      {"jobs", "list", "--limit", "3x"},
                                                                      {"jobs", "list", "--state", "done"},
                                                                      {"jobs", "list", "--kind", "summarise"},
                                                                      {"jobs", "show"},
                                                                      {"jobs", "show", "seven"},
                                                                      {"jobs", "retry"},
                                                                      {"jobs", "retry", "1", "--all"},
                                                                      {"jobs", "retry", "1", "--dry-run"},
                                                                      {"schema", "grants"},
                                                                      {"remember", "text"},
                                                                      {"search", "--agent", "a", "text"}}));
    const auto finished = ctl.run(arguments);
    CHECK(finished.code == 64);
    CHECK(finished.output == "");
    CHECK(has(finished.errors, "HINT: "));
}

TEST_CASE("without a configuration, or with one that this user may not read, flags and defaults hold") {
    Ctl ctl;
    CHECK(ctl.run({"--config", "/dev/null", "jobs", "count"}).code == 0);
    CHECK(ctl.run({"--config", "/nowhere.toml", "jobs", "count"}).code == 78);
    // The service's own file, as somebody else sees it: a namespace of ours has another /etc/memoird.
    const std::string script =
        "mount -t tmpfs none /etc && mkdir /etc/memoird && "
        "touch /etc/memoird/memoird.toml && chmod 0700 /etc/memoird && "
        "exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"";
    const auto possible =
        test::run({{"/usr/bin/unshare", "-m", "/bin/sh", "-c", script, "sh", "/bin/true"}, {}, {}});
    if (possible.code != 0) {
        WARN("no mount namespace here: a file that may not be read is not tried");
        return;
    }
    const auto finished =
        test::run({{"/usr/bin/unshare", "-m", "/bin/sh", "-c", script, "sh", memoirctl_PROGRAM, "--set",
                    "database.url=host=127.0.0.1 port=1 dbname=memoir", "status"},
                   {},
                   {}});
    CHECK(finished.code == 69);  // the database is away: it got as far as that
    CHECK(has(finished.errors, "/etc/memoird/memoird.toml: the configuration file cannot be read"));
    CHECK(has(finished.errors, "HINT: name a file of your own with --config"));
}

TEST_CASE("shared options may stand before and after the command") {
    Ctl ctl;
    CHECK(ctl.run({"--json", "jobs", "count"}).output == ctl.run({"jobs", "count", "--json"}).output);
    CHECK(ctl.run({"jobs", "--json", "count"}).code == 64);  // the words of a command stand together
}

TEST_CASE("a bad configuration ends with 78 and names each problem") {
    Ctl ctl;
    ctl.settings = {"worker.lease=soon", "no.such=key"};
    const auto finished = ctl.run({"status"});
    CHECK(finished.code == 78);
    CHECK(has(finished.errors, "worker.lease"));
    CHECK(has(finished.errors, "no.such"));
}

TEST_CASE("a database that is away ends with 69 and a HINT, and shows no password") {
    const auto finished = test::run(
        {{memoirctl_PROGRAM, "--set", "database.url=postgresql://me:s3cret@127.0.0.1:1/memoir", "status"},
         {},
         {}});
    CHECK(finished.code == 69);
    CHECK(has(finished.errors, "HINT: "));
    CHECK_FALSE(has(finished.errors, "s3cret"));
}

TEST_CASE("a schema that is missing or lacks a column ends with 78, whatever the command") {
    const auto arguments = GENERATE(values<std::vector<std::string>>(
        {{"status"}, {"jobs", "list"}, {"jobs", "count"}, {"jobs", "retry", "--all"}, {"schema", "check"}}));
    Ctl nothing(With::nothing);
    auto finished = nothing.run(arguments);
    CHECK(finished.code == 78);
    CHECK(has(finished.errors, "schema " + nothing.schema.name() + " does not exist"));
    CHECK(has(finished.errors, "HINT: memoirctl schema apply creates it"));

    Ctl older(With::contract);
    older.schema.sql("alter table $schema.memory_jobs drop column state cascade");
    finished = older.run(arguments);
    CHECK(finished.code == 78);
    CHECK(has(finished.errors, "no column memory_jobs.state"));
}

namespace {

// A role of the cluster that memoirctl runs as; gone with the test.
struct Role {
    explicit Role(Ctl& ctl) : ctl_(ctl), name("role_" + ctl.schema.name()) {
        ctl_.schema.sql("create role " + name + " login");
    }
    ~Role() {
        ctl_.schema.sql("drop owned by " + name);
        ctl_.schema.sql("drop role " + name);
    }
    Role(const Role&) = delete;
    Role& operator=(const Role&) = delete;
    test::Finished run(std::vector<std::string> arguments) const {
        std::vector<std::string> all{memoirctl_PROGRAM,
                                     "--set",
                                     "database.url=" + test::Cluster::shared().url(),
                                     "--set",
                                     "database.schema=" + ctl_.schema.name(),
                                     "--set",
                                     "vector.backend=postgres"};
        all.insert(all.end(), arguments.begin(), arguments.end());
        return test::run({all, {{"PGOPTIONS", "-c role=" + name}}, {}});
    }
    void grant(const std::vector<std::string>& options) const {
        std::vector<std::string> arguments{"schema", "grants", name};
        arguments.insert(arguments.end(), options.begin(), options.end());
        const auto statements = ctl_.run(arguments);
        REQUIRE(statements.code == 0);
        std::istringstream lines(statements.output);
        for (std::string line; std::getline(lines, line);) ctl_.schema.sql(line);
    }

  private:
    Ctl& ctl_;

  public:
    const std::string name;
};

}  // namespace

TEST_CASE("a role that may change nothing looks at everything with the grants for reading") {
    Ctl ctl;
    const auto pid = ctl.schema.memory(said);
    const auto id = std::to_string(ctl.failed("extract", pid));
    const Role role(ctl);
    role.grant({"--read-only"});
    for (const auto& arguments : std::vector<std::vector<std::string>>{{"status"},
                                                                       {"jobs", "list"},
                                                                       {"jobs", "show", id},
                                                                       {"jobs", "why", id},
                                                                       {"jobs", "count"},
                                                                       {"stats", "extraction"}}) {
        const auto finished = role.run(arguments);
        INFO(arguments[0] << finished.errors);
        CHECK(finished.code == 0);
    }
    const auto retry = role.run({"jobs", "retry", "--all"});
    CHECK(retry.code == 78);
    CHECK(has(retry.errors, "lacks"));
    CHECK(has(retry.errors, "memory_jobs"));
}

TEST_CASE("a role that lacks a privilege is told which: for looking no more than that needs") {
    Ctl ctl;
    const Role role(ctl);
    ctl.schema.sql("grant usage on schema $schema to " + role.name);
    const auto list = role.run({"jobs", "list"});
    CHECK(list.code == 78);
    CHECK(has(list.errors, "role " + role.name + " lacks select on memories, select on memory_jobs"));
    CHECK_FALSE(has(list.errors, "insert"));
    CHECK_FALSE(has(list.errors, "memoird_replies"));
    CHECK(has(list.errors, "memoirctl schema grants --read-only " + role.name));
    const auto pause = role.run({"pause"});
    CHECK(pause.code == 78);
    CHECK(has(pause.errors, "insert on memoird_pauses"));
    CHECK(has(pause.errors, "memoirctl schema grants " + role.name));
}

TEST_CASE("schema apply says what its role may not do, and who may") {
    Ctl nothing(With::nothing);
    const Role stranger(nothing);
    auto finished = stranger.run({"schema", "apply"});
    CHECK(finished.code == 78);
    CHECK(has(finished.errors, "role " + stranger.name + " may not create one in the database memoir"));
    CHECK(has(finished.errors, "grant create on database"));
    CHECK_FALSE(has(finished.errors, "memoirctl schema apply creates it"));

    Ctl empty(With::nothing);
    empty.schema.sql("create schema $schema");
    const Role guest(empty);
    empty.schema.sql("grant usage on schema $schema to " + guest.name);
    finished = guest.run({"schema", "apply"});
    CHECK(finished.code == 78);
    CHECK(has(finished.errors, "may not create in schema " + empty.schema.name()));
    CHECK(has(finished.errors, "HINT: run this as the schema's owner"));

    Ctl library(With::contract);
    const Role daemon(library);
    library.schema.sql("grant usage, create on schema $schema to " + daemon.name);
    finished = daemon.run({"schema", "apply"});
    CHECK(finished.code == 78);
    CHECK(has(finished.errors, "do not belong to role " + daemon.name));
    CHECK(has(finished.errors, "HINT: run this as postgres"));
}

TEST_CASE("schema apply creates, says each step once, and logs that it did") {
    Ctl ctl(With::nothing);
    const auto first = ctl.run({"schema", "apply"});
    CHECK(first.code == 0);
    CHECK(has(first.output, "create table"));
    CHECK(events(first, "memoir.schema.applied").size() == 1);
    const auto second = ctl.run({"schema", "apply"});
    CHECK(second.output == "nothing to do\n");
    CHECK(events(second, "memoir.schema.applied").empty());
    CHECK(ctl.answer({"schema", "check"})["advice"].empty());
    const auto dry = ctl.answer({"schema", "remove", "--dry-run"});
    CHECK(dry["steps"].size() == 13);
    CHECK(ctl.answer({"schema", "check"})["advice"].empty());
    CHECK(events(ctl.run({"schema", "remove"}), "memoir.schema.removed").size() == 1);
    CHECK(ctl.answer({"schema", "check"})["advice"].size() == 12);
    CHECK(ctl.run({"schema", "apply", "--no-notify"}).code == 0);
    CHECK(ctl.answer({"schema", "check"})["advice"].size() == 1);
    CHECK(has(ctl.run({"schema", "grants", "daemon"}).output, " to \"daemon\";\n"));
}

TEST_CASE("remembers a text, standard input and a file, with the jobs that the configuration asks for") {
    Ctl ctl;
    const std::vector<std::string> scope{"remember", "--agent", "a", "--org", "o", "--user", "u"};
    const auto with = [&](std::vector<std::string> more) {
        auto all = scope;
        all.insert(all.end(), more.begin(), more.end());
        return all;
    };
    const auto one = ctl.run(with({said, "--metadata", R"({"k":1})", "--event-at", "2026-05-21"}));
    CHECK(one.code == 0);
    CHECK(one.output.size() == 22);
    CHECK(events(one, "memoir.admin.remembered").size() == 1);
    CHECK_FALSE(has(one.output + one.errors, said));
    CHECK(
        ctl.schema.value("select pid from $schema.memories where content = $1 and metadata = '{\"k\":1}' and "
                         "event_at = '2026-05-21 00:00:00+00'",
                         pg::Params().add(said)) +
            "\n" ==
        one.output);

    CHECK(ctl.run(with({"-"}), "from standard input\n").code == 0);
    CHECK(ctl.schema.number("select count(*) from $schema.memories where content = 'from standard input'") ==
          1);

    ctl.settings.emplace_back("extraction.model=some");
    const auto file = ctl.run({"remember", "--jsonl", SOURCE_DIR "/scripts/demo-memories.jsonl"});
    CHECK(file.output == "stored 200 memories with 400 jobs\n");
    CHECK(ctl.schema.number("select count(*) from $schema.memory_jobs where kind = 'extract'") == 200);
}

TEST_CASE("stores nothing of a file with a bad line") {
    Ctl ctl;
    const auto finished =
        ctl.run({"remember", "--jsonl", "-"}, "{\"agent\":\"a\",\"org\":\"o\",\"user\":\"u\",\"content\":\"" +
                                                  std::string(said) + "\"}\n{\"agent\":\"a\",\"content\":\"" +
                                                  said + "\"}\n");
    CHECK(finished.code == 64);
    CHECK(has(finished.errors, "line 2: user is missing"));
    CHECK_FALSE(has(finished.output + finished.errors, said));
    CHECK(ctl.schema.number("select count(*) from $schema.memories") == 0);
}

TEST_CASE("lists, shows, retries and deletes failed jobs, and logs what it changed") {
    Ctl ctl;
    const auto pid = ctl.schema.memory(said);
    const auto first = ctl.failed("embed", pid), second = ctl.failed("extract", pid);
    const auto listed = ctl.answer({"jobs", "list"})["jobs"];
    REQUIRE(listed.size() == 2);
    CHECK(listed[0]["id"] == second);
    CHECK(listed[0]["failure_reason"] == "too long for the model");
    CHECK(ctl.answer({"jobs", "list", "--kind", "embed"})["jobs"].size() == 1);
    CHECK(ctl.answer({"jobs", "show", std::to_string(first)})["state"] == "failed");

    const auto dry = ctl.run({"jobs", "retry", "--all", "--dry-run"});
    CHECK(dry.output == "would retry 2 jobs\n");
    CHECK(events(dry, "memoir.admin.bulk_retry").empty());
    const auto one = ctl.run({"jobs", "retry", std::to_string(first)});
    CHECK(one.code == 0);
    REQUIRE(events(one, "memoir.admin.retry_succeeded").size() == 1);
    CHECK(events(one, "memoir.admin.retry_succeeded")[0]["job_id"] == first);
    const auto again = ctl.run({"jobs", "retry", std::to_string(first)});
    CHECK(again.code == 1);
    CHECK(has(again.errors, "is pending: only failed jobs are retried"));
    const auto bulk = ctl.run({"jobs", "retry", "--all", "--kind", "extract"});
    CHECK(bulk.output == "retried 1 job\n");
    CHECK(events(bulk, "memoir.admin.bulk_retry")[0]["count"] == 1);

    ctl.schema.sql("update $schema.memory_jobs set state = 'failed' where id = $1::bigint",
                   pg::Params().add(first));
    const auto deleted = ctl.run({"jobs", "delete", std::to_string(first)});
    CHECK(deleted.code == 0);
    CHECK(events(deleted, "memoir.admin.delete_failed").size() == 1);
    CHECK(ctl.run({"jobs", "show", std::to_string(first)}).code == 1);
    CHECK(ctl.run({"jobs", "count", "--state", "all"}).output == "1\n");
    CHECK(ctl.run({"jobs", "count"}).output == "1\n");
    CHECK(ctl.run({"jobs", "count", "--kind", "embed"}).output == "0\n");
}

TEST_CASE("failed jobs are listed by cause, with what to do, and those of one cause are given back") {
    Ctl ctl;
    const auto pid = ctl.schema.memory(said);
    const auto fails = [&](const std::string& kind, const std::string& reason) {
        ctl.schema.sql("update $schema.memory_jobs set failure_reason = $2 where id = $1::bigint",
                       pg::Params().add(ctl.failed(kind, pid)).add(reason));
    };
    fails("extract", "exceeded its deadline of 60 s");
    fails("extract", "exceeded its deadline of 90 s");
    fails("extract", "HTTP 413");
    const auto causes = ctl.answer({"jobs", "list", "--by-cause"})["causes"];
    REQUIRE(causes.size() == 2);
    CHECK(causes[0]["cause"] == "exceeded its deadline of N s");
    CHECK(causes[0]["jobs"] == 2);
    CHECK(causes[0]["retry"] == "helps");
    CHECK(causes[1]["cause"] == "HTTP 413");
    CHECK(causes[1]["retry"] == "after a change");
    CHECK(has(causes[1]["hint"].get<std::string>(), "context"));
    CHECK(ctl.answer({"jobs", "list", "--by-cause", "--kind", "embed"})["causes"].empty());
    CHECK(has(ctl.run({"jobs", "list", "--by-cause"}).output, "HINT: HTTP 413: the memory is too long"));

    const auto by_cause = [&](std::vector<std::string> more) {
        std::vector<std::string> arguments{"jobs", "retry", "--cause", "exceeded its deadline of N s"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return ctl.run(arguments);
    };
    CHECK(by_cause({"--dry-run"}).output == "would retry 2 jobs\n");
    CHECK(by_cause({"--kind", "embed"}).code == 1);
    const auto retried = by_cause({"--per-second", "1"});
    CHECK(retried.output == "retried 2 jobs\n");
    CHECK(events(retried, "memoir.admin.bulk_retry")[0]["count"] == 2);
    CHECK(ctl.run({"jobs", "count", "--state", "failed"}).output == "1\n");
    CHECK(ctl.run({"jobs", "retry", "--cause", "no such cause"}).code == 1);
    CHECK(ctl.run({"jobs", "retry", "--all", "--cause", "HTTP 413"}).code == 64);
}

TEST_CASE("a request to ask backends again is a row that every host reads") {
    Ctl ctl;
    CHECK(ctl.run({"backends", "probe", "extraction"}).code == 0);
    const auto request = [&] {
        return ctl.schema.value("select value from $schema.memoird_settings where name = 'probe'");
    };
    const auto first = request();
    CHECK(has(first, "extraction "));
    CHECK(ctl.run({"backends", "probe", "extraction"}).code == 0);
    CHECK(request() != first);
    CHECK(ctl.run({"backends", "probe"}).code == 0);
    CHECK(has(request(), "* "));
    CHECK(ctl.run({"backends", "probe", "a", "b"}).code == 64);
}

TEST_CASE("a delete goes through the fan-in where a graph is configured here or left to others") {
    const auto [setting, jobs] = GENERATE(table<std::string, std::int64_t>(
        {{"graph.name=g", 1}, {"worker.graph_absent=leave", 1}, {"worker.graph_absent=complete", 0}}));
    Ctl ctl;
    ctl.settings.push_back(setting);
    const auto id = ctl.failed("relational_extract", ctl.schema.memory(said));
    CHECK(ctl.run({"jobs", "delete", std::to_string(id)}).code == 0);
    CHECK(ctl.schema.number("select count(*) from $schema.memory_jobs where kind = 'synthesize'") == jobs);
}

TEST_CASE("status counts the queue, names holders, hosts and pauses, and never what was said") {
    Ctl ctl;
    const auto pid = ctl.schema.memory(said);
    ctl.failed("embed", pid);
    ctl.schema.job(pid, "extract");
    const auto held = ctl.schema.job(pid, "embed");
    ctl.schema.sql(
        "update $schema.memory_jobs set state = 'claimed', claimed_at = clock_timestamp(), claimed_by = "
        "'memoird/web-1:4711:nonce1/embed.0.1' where id = $1::bigint",
        pg::Params().add(held));
    ctl.schema.sql(
        "insert into $schema.memoird_hosts (nonce, host, pid, version, kinds) values "
        "('nonce1', 'web-1', 4711, '0.1.0', '{embed}')");
    CHECK(ctl.run({"pause", "--kind", "extract"}).code == 0);
    const auto status = ctl.answer({"status"});
    CHECK(status["kinds"][0]["failed"] == 1);
    CHECK(status["kinds"][0]["claimed"] == 1);
    CHECK(status["kinds"][0]["hosts"] == 1);
    CHECK(status["kinds"][1]["pending"] == 1);
    CHECK(status["kinds"][1]["hosts"] == 0);
    CHECK(status["kinds"][1]["paused"] == true);
    CHECK(status["holders"][0]["holder"] == "web-1:4711");
    CHECK(status["hosts"][0]["alive"] == true);
    CHECK(status["backends"][0]["usable"] == true);
    const auto text = ctl.run({"status"});
    CHECK(text.code == 0);
    for (const auto* part : {"embed", "1 host", "0 hosts, paused", "web-1:4711", "extract was paused at"})
        CHECK(has(text.output, part));
    CHECK_FALSE(has(text.output + text.errors, said));
}

TEST_CASE("status works on a library's schema, and says what it cannot know") {
    Ctl ctl(With::contract);
    ctl.schema.job(ctl.schema.memory(said), "embed");
    const auto status = ctl.answer({"status"});
    CHECK(status["hosts"].is_null());
    CHECK(status["kinds"][0]["hosts"].is_null());
    CHECK(status["kinds"][0]["pending"] == 1);
    CHECK(status["backends"][0]["usable"] == false);
    CHECK(has(ctl.run({"status"}).output, "HINT: memoirctl schema apply"));
    const auto pause = ctl.run({"pause"});
    CHECK(pause.code == 78);
    CHECK(has(pause.errors, "no table memoird_pauses"));
}

TEST_CASE("pause and resume say what they changed, and log it") {
    Ctl ctl;
    const auto first = ctl.run({"pause"});
    CHECK(first.output == "every kind is paused\n");
    CHECK(events(first, "memoir.fleet.paused")[0]["kind"] == "*");
    const auto again = ctl.run({"pause"});
    CHECK(again.output == "every kind was already paused\n");
    CHECK(events(again, "memoir.fleet.paused").empty());
    ctl.run({"pause", "--kind", "embed"});
    const auto one = ctl.run({"resume", "--kind", "embed"});
    CHECK(has(one.output, "embed is resumed\nbut every kind has been paused since "));
    CHECK(events(ctl.run({"resume"}), "memoir.fleet.resumed").size() == 1);
    CHECK(ctl.run({"resume"}).output == "every kind was not paused\n");
}

TEST_CASE("says why a job is where it is") {
    Ctl ctl;
    const auto id = std::to_string(ctl.schema.job(ctl.schema.memory(said), "extract"));
    ctl.run({"pause"});
    const auto why = ctl.answer({"jobs", "why", id});
    CHECK(why["job"]["state"] == "pending");
    std::vector<std::string> codes;
    for (const auto& reason : why["reasons"]) codes.push_back(reason["code"]);
    CHECK(codes == std::vector<std::string>{"paused", "no_host", "waiting"});
    CHECK(has(ctl.run({"jobs", "why", id}).output, "no live host serves extract"));
    CHECK(ctl.run({"jobs", "why", "999999"}).code == 1);
}
