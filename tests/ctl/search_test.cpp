// memoirctl search and status against model servers and indexes that are doubles.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "support/http_double.hpp"
#include "support/postgres.hpp"
#include "support/process.hpp"

using namespace memoir;
using nlohmann::json;
using test::TestSchema;

namespace {

// Every text has the vector (1, 0, 0).
test::HttpReply embedding_of(const test::HttpRequest& request) {
    const auto body = json::parse(request.body, nullptr, false);
    const auto inputs =
        body.is_object() && body.contains("inputs") && body["inputs"].is_array() ? body["inputs"].size() : 1;
    auto reply = json::array();
    for (std::size_t i = 0; i < inputs; ++i) reply.push_back({1.0, 0.0, 0.0});
    return {200, reply.dump()};
}

struct Search {
    TestSchema schema;
    test::HttpDouble embedder{embedding_of};
    std::vector<std::string> settings{"vector.backend=postgres"};

    // A memory of scope (a, o, u) with this cosine to every query.
    std::string memory(const std::string& content, double cosine, const std::string& change = "") {
        const auto pid = schema.memory(content);
        schema.sql(
            "insert into $schema.memoird_vectors values ($1, 'm', array[$2::float8, sqrt(1 - $2::float8 ^ "
            "2), 0]::real[])",
            pg::Params().add(pid).add(cosine));
        schema.sql("update $schema.memories set qdrant_status = 'indexed'" +
                       (change.empty() ? "" : ", " + change) + " where pid = $1",
                   pg::Params().add(pid));
        return pid;
    }
    test::Finished run(const std::vector<std::string>& arguments) {
        std::vector<std::string> all{memoirctl_PROGRAM};
        auto sets = settings;
        sets.insert(sets.end(),
                    {"database.url=" + test::Cluster::shared().url(), "database.schema=" + schema.name(),
                     "embedding.provider=tei", "embedding.url=" + embedder.url(), "embedding.model=m",
                     "embedding.dimension=3"});
        for (const auto& set : sets) all.insert(all.end(), {"--set", set});
        all.insert(all.end(), arguments.begin(), arguments.end());
        return test::run({all, {}, {}});
    }
    test::Finished search(std::vector<std::string> more = {}) {
        std::vector<std::string> all{"search", "--agent", "a", "--org",
                                     "o",      "--user",  "u", "who is allergic?"};
        all.insert(all.end(), more.begin(), more.end());
        return run(all);
    }
    std::vector<std::string> pids(std::vector<std::string> more = {}) {
        more.emplace_back("--json");
        const auto finished = search(more);
        INFO(finished.errors);
        REQUIRE(finished.code == 0);
        std::vector<std::string> found;
        const auto answer = json::parse(finished.output);
        for (const auto& hit : answer["hits"]) found.push_back(hit["pid"]);
        return found;
    }
};

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("finds the nearest active memories of the scope, best first") {
    Search search;
    const auto near = search.memory("hazelnuts", 0.9), far = search.memory("the sea", 0.1),
               middle = search.memory("almonds", 0.5);
    search.memory("retired", 0.99, "retirement_reason = 'stale'");
    search.memory("superseded", 0.98, "superseded_by = '" + near + "'");
    search.memory("of another user", 0.97, "user_id = 'v'");
    CHECK(search.pids() == std::vector{near, middle, far});
    CHECK(search.pids({"--limit", "1"}) == std::vector{near});
    CHECK(search.pids({"--kind", "semantic"}).empty());
}

TEST_CASE("looks across agents and organisations where they are left out, and shows them then") {
    Search search;
    const auto whole = search.memory("hazelnuts", 0.9),
               bare = search.memory("almonds", 0.8,
                                    "agent_id = '__MEMOIR_NO_AGENT__', org_id = '__MEMOIR_NO_ORG__'"),
               agent = search.memory("peanuts", 0.7, "agent_id = 'b', org_id = '__MEMOIR_NO_ORG__'");
    search.memory("of another user", 0.97, "user_id = 'v'");
    const auto hits = [&](std::vector<std::string> words) {
        words.insert(words.begin(), "search");
        words.insert(words.end(), {"--user", "u", "--json", "who is allergic?"});
        std::vector<std::string> found;
        const auto answer = json::parse(search.run(words).output);
        for (const auto& hit : answer["hits"])
            found.push_back(hit["pid"].get<std::string>() + " " + hit["agent"].dump() + " " +
                            hit["org"].dump());
        return found;
    };
    using Hits = std::vector<std::string>;
    CHECK(hits({}) == Hits{whole + " \"a\" \"o\"", bare + " null null", agent + " \"b\" null"});
    CHECK(hits({"--org", "o"}) == Hits{whole + " \"a\" \"o\""});
    CHECK(hits({"--agent", "b"}) == Hits{agent + " \"b\" null"});
    CHECK(hits({"--agent", "__MEMOIR_NO_AGENT__"}) == Hits{bare + " null null"});
    CHECK(hits({"--agent", ""}).empty());
    const auto table = search.run({"search", "--user", "u", "who is allergic?"}).output;
    CHECK(has(table, "AGENT  ORG  KIND"));
    CHECK(has(table, bare + "  -      -    episodic"));
    CHECK_FALSE(has(search.search().output, "AGENT"));
    CHECK(search.run({"search", "--agent", "a", "--org", "o", "who is allergic?"}).code == 64);
}

TEST_CASE("superseded memories before the active ones do not use up its places") {
    Search search;
    const auto last = search.memory("still true", 0.1);
    for (int i = 0; i < 40; ++i) search.memory("once true", 0.5, "superseded_by = '" + last + "'");
    CHECK(search.pids({"--limit", "2"}) == std::vector{last});
}

TEST_CASE("shows what was said only with --content") {
    Search search;
    search.memory("hazelnuts make her throat swell", 0.9, "category = 'identity'");
    const auto without = search.search();
    CHECK(without.code == 0);
    CHECK(has(without.output, "0.900"));
    CHECK(has(without.output, "identity"));
    CHECK_FALSE(has(without.output + without.errors, "hazelnuts"));
    CHECK_FALSE(has(search.search({"--json"}).output, "hazelnuts"));
    CHECK(has(search.search({"--content"}).output, "hazelnuts make her throat swell"));
    CHECK(json::parse(search.search({"--content", "--json"}).output)["hits"][0]["content"] ==
          "hazelnuts make her throat swell");
}

TEST_CASE("an embedder that is away ends with 69, one that refuses the key with 78") {
    Search search;
    search.embedder.handle([](const test::HttpRequest&) {
        return test::HttpReply{401, "{\"error\":\"secret echo\"}"};
    });
    const auto refused = search.search();
    CHECK(refused.code == 78);
    CHECK_FALSE(has(refused.output + refused.errors, "secret echo"));
    search.embedder.stop();
    const auto away = search.search();
    CHECK(away.code == 69);
    CHECK(has(away.errors, "embedding"));
    CHECK_FALSE(has(away.errors, "allergic"));
}

TEST_CASE("status says which backends cannot be used from here, and why, without their secrets") {
    Search search;
    const auto usable = json::parse(search.run({"status", "--json"}).output)["backends"];
    CHECK(usable[1]["usable"] == true);
    search.embedder.stop();
    search.settings = {"vector.backend=qdrant", "vector.url=http://127.0.0.1:1"};
    const auto finished = search.run({"status", "--json"});
    CHECK(finished.code == 0);
    const auto away = json::parse(finished.output)["backends"];
    CHECK(away[0]["usable"] == false);
    CHECK(away[0]["what"] == "qdrant at http://127.0.0.1:1");
    CHECK(away[0]["detail"] != "");
    CHECK(away[1]["usable"] == false);
}
