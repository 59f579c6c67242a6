// Scopes that lack their agent or organisation, on either index: corrections look across what is lacking, and
// whatever is written carries the scope as it is stored.

#include <catch2/catch.hpp>

#include "support/chat_double.hpp"
#include "support/memoird.hpp"
#include "support/qdrant_double.hpp"
#include "support/wait.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

const std::string no_agent = "__MEMOIR_NO_AGENT__", no_org = "__MEMOIR_NO_ORG__";

struct Scopes {
    TestSchema schema;
    EmbeddingDouble embedder;
    ChatDouble chat;
    QdrantDouble* qdrant = nullptr;

    explicit Scopes(const std::string& backend) {
        if (backend == "qdrant") qdrant = &QdrantDouble::shared();
        chat.says([this](const std::string& memory, const HttpRequest&) {
            return chat.facts({memory + " corrected"});
        });
        add("bare", no_agent, no_org, "u");
        add("whole", "a", "o", "u");
        add("agent", "a", no_org, "u");
        add("org", no_agent, "o", "u");
        add("other-agent", "b", "o", "u");
        add("other-user", no_agent, no_org, "v");
        // A user may begin as the library's texts do, and an agent is a name unless it is exactly that text.
        add("odd-user", no_agent, no_org, "__MEMOIR_u");
        add("odd-agent", no_org, no_org, "u");
    }
    void add(const std::string& pid, const std::string& agent, const std::string& org,
             const std::string& user) {
        schema.sql(
            "insert into $schema.memories (pid, agent_id, org_id, user_id, content) values ($1, $2, $3, $4, "
            "'[[' || $1 || ']] said something')",
            pg::Params().add(pid).add(agent).add(org).add(user));
        schema.job(pid, "embed");
    }
    Memoird::Options options() const {
        auto settings = chat.settings();
        settings["log.level"] = "\"info\"";
        if (qdrant) {
            settings["vector.backend"] = "\"qdrant\"";
            settings["vector.url"] = "\"" + qdrant->url() + "\"";
        }
        return {.settings = settings};
    }
    bool done() {
        return eventually([&] { return schema.number("select count(*) from $schema.memory_jobs") == 0; });
    }
    void correct(const std::string& pid) {
        schema.job(pid, "reprocess", R"({"reason":"rejected","feedback":"it was tea","min_similarity":-2})");
    }
    // Of each memory with new facts: its pid and the scope of the fact.
    std::string rederived() {
        return schema.value(
            "select coalesce(string_agg(concat_ws(' ', source_pid, agent_id, org_id, user_id), ', ' order by "
            "source_pid), '') from $schema.memories where content like '%corrected'");
    }
    std::string feedback() {
        return schema.value(
            "select concat_ws(' ', agent_id, org_id, user_id) from $schema.memories where metadata->>'origin' "
            "= 'feedback'");
    }
};

}  // namespace

TEST_CASE("a correction of a source without agent and organisation reaches all of its user's memories") {
    Scopes scopes(GENERATE(std::string("postgres"), std::string("qdrant")));
    Memoird memoird(scopes.schema, scopes.embedder, scopes.options());
    REQUIRE(scopes.done());
    scopes.correct("bare");
    REQUIRE(scopes.done());
    CHECK(scopes.rederived() == "agent a " + no_org + " u, bare " + no_agent + " " + no_org +
                                    " u, odd-agent " + no_org + " " + no_org + " u, org " + no_agent +
                                    " o u, other-agent b o u, whole a o u");
    CHECK(scopes.feedback() == no_agent + " " + no_org + " u");
    CHECK(memoird.stop() == 0);
    if (!scopes.qdrant) return;
    // The points say what the rows say.
    const auto rows = scopes.schema.sql("select pid, agent_id, org_id, user_id from $schema.memories");
    REQUIRE(scopes.qdrant->points().size() == static_cast<std::size_t>(rows.rows()));
    for (int row = 0; row < rows.rows(); ++row) {
        const auto payload = scopes.qdrant->payload(rows.string(row, 0));
        CHECK(payload["agent_id"] == rows.string(row, 1));
        CHECK(payload["org_id"] == rows.string(row, 2));
        CHECK(payload["user_id"] == rows.string(row, 3));
    }
}

TEST_CASE("what a source has of agent and organisation, its correction keeps to") {
    const auto [source, reached] = GENERATE(
        table<std::string, std::string>({{"agent", "agent a " + no_org + " u, whole a o u"},
                                         {"org", "org " + no_agent + " o u, other-agent b o u, whole a o u"},
                                         {"whole", "whole a o u"},
                                         {"odd-user", "odd-user " + no_agent + " " + no_org + " __MEMOIR_u"},
                                         {"odd-agent", "odd-agent " + no_org + " " + no_org + " u"}}));
    const auto backend = GENERATE(std::string("postgres"), std::string("qdrant"));
    CAPTURE(source, backend);
    Scopes scopes(backend);
    Memoird memoird(scopes.schema, scopes.embedder, scopes.options());
    REQUIRE(scopes.done());
    scopes.correct(source);
    REQUIRE(scopes.done());
    CHECK(scopes.rederived() == reached);
    CHECK(memoird.stop() == 0);
}
