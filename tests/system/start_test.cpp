// What can never work stops the start with 78, names what is wrong, and says what to do.

#include <catch2/catch.hpp>
#include <fstream>

#include "schema/schema.hpp"
#include "system/events.hpp"
#include "system/queue_fixture.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

// A role with exactly the grants that a daemon needs, gone with the test.
class DaemonRole {
  public:
    explicit DaemonRole(TestSchema& schema) : schema_(schema), name_("daemon_" + schema.name()) {
        schema_.sql("create role " + name_ + " login");
        for (const auto& statement : schema::grants(schema.name(), name_)) schema_.sql(statement);
    }
    ~DaemonRole() {
        try {
            schema_.sql("drop owned by " + name_);
            schema_.sql("drop role " + name_);
        } catch (const pg::Error&) {
            // It goes with the cluster.
        }
    }
    DaemonRole(const DaemonRole&) = delete;
    DaemonRole& operator=(const DaemonRole&) = delete;
    const std::string& name() const { return name_; }
    std::string url() const {
        auto url = Cluster::shared().tcp_url();
        return url.replace(url.find("postgres@"), 8, name_);
    }

  private:
    TestSchema& schema_;
    const std::string name_;
};

// It ended with 78 before it was ready, and the one event that tells why holds these texts.
void check_refused(Memoird& memoird, const std::string& problem, const std::string& hint) {
    CHECK(memoird.process().wait() == 78);
    INFO(memoird.log());
    const auto aborted = events(memoird, "memoir.worker.aborted");
    REQUIRE(aborted.size() == 1);
    CAPTURE(text_of(aborted.front(), "message"), text_of(aborted.front(), "hint"));
    CHECK(text_of(aborted.front(), "message").find(problem) != std::string::npos);
    CHECK(text_of(aborted.front(), "hint").find(hint) != std::string::npos);
    CHECK(events(memoird, "memoir.worker.started").empty());
    REQUIRE(events(memoird, "memoir.worker.exited").size() == 1);
    CHECK(events(memoird, "memoir.worker.exited").front().at("exit_code") == 78);
}

}  // namespace

TEST_CASE("a schema that lacks a column stops the start and names it") {
    const auto [where, column] = GENERATE(table<std::string, std::string>(
        {{"memories", "category"}, {"memories", "event_at"}, {"memory_jobs", "claimed_by"}}));
    TestSchema schema(TestSchema::With::contract);
    EmbeddingDouble embedder;
    schema.sql("alter table $schema." + where + " drop column " + column + " cascade");
    Memoird memoird(schema, embedder);
    check_refused(memoird, where + "." + column, "migrations");
}

TEST_CASE("a schema that is not there stops the start with the command that creates it") {
    TestSchema schema(TestSchema::With::nothing);
    EmbeddingDouble embedder;
    Memoird memoird(schema, embedder);
    check_refused(memoird, "schema " + schema.name() + " does not exist", "memoirctl schema apply");
}

TEST_CASE("the library's schema alone is enough, and it is said what ours would gain") {
    TestSchema schema(TestSchema::With::contract);
    EmbeddingDouble embedder;
    fill(schema, 50);
    // The index backend that needs no table of ours is Qdrant's; graph kinds need none at all.
    const auto pid = schema.memory("text 0");
    schema.job(pid, "relational_extract");
    Memoird memoird(schema, embedder,
                    {.settings = {{"lanes.graph.kinds", "[\"relational_extract\", \"synthesize\"]"}},
                     .arguments = {"--until-idle"}});
    CHECK(memoird.process().wait() == 0);
    CHECK(schema.number("select count(*) from $schema.memory_jobs where kind <> 'embed'") == 0);
    CHECK(schema.number("select count(*) from $schema.memory_jobs where state = 'pending'") == 50);
    const auto advice = events(memoird, "memoir.schema.advice");
    CHECK(advice.size() > 2);
    for (const auto& event : advice) CHECK(text_of(event, "hint") == "memoirctl schema apply");
}

TEST_CASE("an option that libpq does not take stops the start; a server that is away does not") {
    TestSchema schema;
    EmbeddingDouble embedder;
    Memoird memoird(schema, embedder, {.url = "host=127.0.0.1 dbname=memoir sslmode=perhaps"});
    check_refused(memoird, "an option of the connection string is invalid", "database.url");
    Memoird waiting(schema, embedder, {.url = "host=127.0.0.1 port=1 user=nobody dbname=memoir"});
    REQUIRE(waiting.process().wrote("waiting for the database"));
    CHECK(waiting.stop() == 0);
}

TEST_CASE("a role with the grants that are printed is enough") {
    TestSchema schema;
    EmbeddingDouble embedder;
    DaemonRole role(schema);
    fill(schema, 20);
    Memoird memoird(schema, embedder, {.url = role.url(), .arguments = {"--until-idle"}});
    INFO(memoird.log());
    CHECK(memoird.process().wait() == 0);
    CHECK(schema.number("select count(*) from $schema.memories where qdrant_status = 'indexed'") == 20);
}

TEST_CASE("a role whose statements the database ends sooner than memoird is a warning at the start") {
    TestSchema schema;
    const EmbeddingDouble embedder;
    const DaemonRole role(schema);
    schema.sql("alter role " + role.name() + " set statement_timeout = '7s'");
    Memoird memoird(schema, embedder, {.url = role.url()});
    REQUIRE(memoird.ready());
    const auto advice = events(memoird, "memoir.worker.advice");
    REQUIRE(advice.size() == 1);
    CHECK(text_of(advice.front(), "message").find("after 7s") != std::string::npos);
    CHECK(text_of(advice.front(), "hint").find("alter role") != std::string::npos);
}

TEST_CASE("a role that may only read stops the start and is named") {
    TestSchema schema;
    EmbeddingDouble embedder;
    DaemonRole role(schema);
    SECTION("by its setting") {
        schema.sql("alter role " + role.name() + " set default_transaction_read_only = on");
        Memoird memoird(schema, embedder, {.url = role.url()});
        check_refused(memoird, "role " + role.name() + " cannot write", "default_transaction_read_only");
    }
    SECTION("by its grants") {
        schema.sql("revoke insert, update, delete on all tables in schema $schema from " + role.name());
        Memoird memoird(schema, embedder, {.url = role.url()});
        check_refused(memoird, "role " + role.name() + " lacks ", "memoirctl schema grants " + role.name());
        const auto message = text_of(events(memoird, "memoir.worker.aborted").front(), "message");
        CHECK(message.find("on memories") != std::string::npos);
        CHECK(message.find("on memory_jobs") != std::string::npos);
    }
}

TEST_CASE("a missing grant stops the start with the table's name and the command that prints it") {
    const std::string table = GENERATE("memories", "memory_jobs", "memoird_hosts");
    CAPTURE(table);
    TestSchema schema;
    EmbeddingDouble embedder;
    DaemonRole role(schema);
    schema.sql("revoke all on $schema." + table + " from " + role.name());
    Memoird memoird(schema, embedder, {.url = role.url()});
    check_refused(memoird, " on " + table, "memoirctl schema grants " + role.name());
}

TEST_CASE("model files that are not there stop the start with a HINT, where a lane needs them") {
    TestSchema schema;
    EmbeddingDouble embedder;
    const std::map<std::string, std::string> onnx{{"embedding.provider", "\"onnx\""},
                                                  {"embedding.url", ""},
                                                  {"embedding.model_dir", "\"/nonexistent/model\""}};
    Memoird memoird(schema, embedder, {.settings = onnx});
    check_refused(memoird, "/nonexistent/model", "");
    CHECK_FALSE(text_of(events(memoird, "memoir.worker.aborted").front(), "hint").empty());

    // What this machine lacks is not kept from an operator whose database is away as well.
    Memoird waiting(schema, embedder,
                    {.settings = onnx + std::map<std::string, std::string>{
                                            {"database.url", "\"postgresql://127.0.0.1:1/none\""}}});
    check_refused(waiting, "/nonexistent/model", "");

    Memoird without(
        schema, embedder,
        {.settings = onnx + std::map<std::string, std::string>{{"lanes.graph.kinds", "[\"synthesize\"]"}}});
    CHECK(without.ready());
    CHECK(without.stop() == 0);
}

TEST_CASE("where the log is the journal, standard error tells as well why a start failed") {
    TestSchema schema;
    EmbeddingDouble embedder;
    Memoird memoird(schema, embedder,
                    {.settings = {{"embedding.provider", "\"onnx\""},
                                  {"embedding.url", ""},
                                  {"embedding.model_dir", "\"/nonexistent/model\""},
                                  {"log.format", "\"auto\""}}});
    CHECK(memoird.process().wait() == 78);
    CHECK(memoird.log().find("memoird: ") == std::string::npos);  // its log is there already

    // JOURNAL_STREAM is how systemd tells a process that its standard error is the journal.
    const auto done =
        run({.arguments = {"sh", "-c",
                           "JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec \"$0\" --config \"$1\"",
                           memoird_PROGRAM, memoird.config_file()},
             .environment = {},
             .input = {}});
    INFO(done.errors);
    CHECK(done.code == 78);
    CHECK(done.errors.starts_with("memoird: "));
    CHECK(done.errors.find("/nonexistent/model") != std::string::npos);
    CHECK(done.errors.find("\nHINT: ") != std::string::npos);
    CHECK(std::count(done.errors.begin(), done.errors.end(), '\n') == 2);
}

TEST_CASE("a bad configuration ends with 78 and tells every problem with its line and column") {
    TestSchema schema;
    EmbeddingDouble embedder;
    Memoird memoird(schema, embedder,
                    {.settings = {{"worker.leese", "\"1s\""}, {"worker.max_attempts", "0"}}});
    CHECK(memoird.process().wait() == 78);
    const auto log = memoird.log();
    INFO(log);
    std::ifstream file(memoird.config_file());
    int number = 0;
    for (std::string line; std::getline(file, line);) {
        ++number;
        for (const std::string key : {"worker.leese", "worker.max_attempts"}) {
            if (!line.starts_with(key)) continue;
            const auto where = memoird.config_file() + ":" + std::to_string(number) + ":";
            CHECK(log.find(where) != std::string::npos);
        }
    }
    CHECK(log.find("HINT: did you mean lease?") != std::string::npos);
    CHECK(log.find("HINT: it must be between") != std::string::npos);
}

TEST_CASE("kinds that are not served here are said in the log, with the reason, and left alone") {
    TestSchema schema;
    EmbeddingDouble embedder;
    const auto pid = schema.memory("text 0");
    for (const std::string kind : {"extract", "reprocess", "categorize", "relational_extract", "synthesize"})
        schema.job(pid, kind);
    Memoird memoird(schema, embedder,
                    {.settings = {{"worker.graph_absent", "\"leave\""}}, .arguments = {"--until-idle"}});
    CHECK(memoird.process().wait() == 0);
    const auto unserved = events(memoird, "memoir.worker.kind_unserved");
    std::map<std::string, std::string> reasons;
    for (const auto& event : unserved) {
        CHECK(text_of(event, "level") == "warning");
        reasons[text_of(event, "kind")] = text_of(event, "reason");
    }
    CHECK(reasons.size() == 5);
    CHECK(reasons["extract"].find("[extraction]") != std::string::npos);
    CHECK(reasons["reprocess"].find("[extraction]") != std::string::npos);
    CHECK(reasons["categorize"].find("[classifier]") != std::string::npos);
    CHECK(reasons["synthesize"].find("[graph]") != std::string::npos);
    CHECK(reasons["relational_extract"].find("[graph]") != std::string::npos);
    CHECK(schema.number(
              "select count(*) from $schema.memory_jobs where state = 'pending' and attempts = 0") == 5);
    CHECK(values(memoird, "memoir.worker.started", "kinds") == std::set<std::string>{"embed"});
}

TEST_CASE("graph kinds without a graph are completed as no-ops, with a warning where staged triples exist") {
    TestSchema schema;
    EmbeddingDouble embedder;
    const auto pid = schema.memory("text 0");
    schema.sql("insert into $schema.graph_triple_staging (source_pid) values ($1)", pg::Params().add(pid));
    schema.job(pid, "synthesize");
    schema.job(pid, "relational_extract");
    Memoird memoird(schema, embedder,
                    {.settings = {{"log.level", "\"debug\""}}, .arguments = {"--until-idle"}});
    CHECK(memoird.process().wait() == 0);
    CHECK(schema.number("select count(*) from $schema.memory_jobs") == 0);
    CHECK(events(memoird, "memoir.worker.advice").size() == 1);
    CHECK(events(memoird, "memoir.synthesize.no_graph").size() == 1);
    CHECK(schema.number("select count(*) from $schema.graph_triple_staging") == 1);
}
