// From what was said to the graph and back, by the real programs: extract and relational_extract by a model
// that is a double, the fan-in, synthesize into a real FalkorDB, memoirctl; and nothing of it in any log.

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "support/falkordb.hpp"
#include "support/memoird.hpp"
#include "support/process.hpp"
#include "support/wait.hpp"
#include "vector/similarity.hpp"

using namespace memoir;
using namespace memoir::test;
using nlohmann::json;

namespace {

// Names that the double's vectors keep apart: similar ones would be one entity.
std::vector<std::string> names(std::size_t count) {
    const auto vector = [](const std::string& text) {
        const auto numbers = double_vector(text);
        return std::vector<float>(numbers.begin(), numbers.end());
    };
    std::vector<std::string> chosen;
    for (int number = 0; chosen.size() < count && number < 100'000; ++number) {
        const auto name = "Geheim4717 " + std::to_string(number);
        bool apart = true;
        for (const auto& other : chosen) apart = apart && vector::cosine(vector(name), vector(other)) < 0.7F;
        if (apart) chosen.push_back(name);
    }
    return chosen;
}

}  // namespace

TEST_CASE("what was said becomes entities and edges, and no name of them stands in any log") {
    if (!FalkorDb::available()) return;
    const auto who = names(3);
    REQUIRE(who.size() == 3);
    FalkorDb falkordb;
    TestSchema schema;
    EmbeddingDouble embedder;
    // The fact is the triple's own sentence, which bears it out; the second triple has none.
    std::atomic<bool> good = false;
    HttpDouble chat([&](const HttpRequest& request) {
        const bool triples = request.body.find("triples") != std::string::npos;
        if (request.body.find("Geheim4717") != std::string::npos && !good)
            return HttpReply{500, R"({"error":"Geheim4717"})"};
        const json list =
            triples
                ? json{{"triples",
                        {{{"subject", who[0]},
                          {"relation", "works at"},
                          {"object", who[1]},
                          {"confidence", 1}},
                         {{"subject", ""}, {"relation", "knows"}, {"object", who[2]}, {"confidence", 1}}}}}
                : json{{"facts", {{{"content", who[0] + " works at " + who[1]}, {"confidence", 1}}}}};
        return HttpReply{200, json{{"message", {{"content", list.dump()}}},
                                   {"done", true},
                                   {"done_reason", "stop"},
                                   {"prompt_eval_count", 1},
                                   {"eval_count", 1}}
                                  .dump()};
    });
    const auto quoted = [](const std::string& text) { return "\"" + text + "\""; };
    Memoird memoird(schema, embedder,
                    {.settings = {{"graph.url", quoted(falkordb.url())},
                                  {"extraction.url", quoted(chat.url())},
                                  {"relational.url", quoted(chat.url())},
                                  {"worker.max_attempts", "1000"},
                                  {"worker.retry_base", quoted("100ms")},
                                  {"worker.retry_cap", quoted("200ms")}}});
    REQUIRE(memoird.ready());
    const auto pid = schema.memory("Geheim4717 said");
    for (const std::string kind : {"embed", "extract", "relational_extract"}) schema.job(pid, kind);
    CHECK(eventually([&] { return memoird.events("memoir.extraction.llm_failed").size() >= 2; }));
    good = true;
    CHECK(eventually([&] { return schema.number("select count(*) from $schema.memory_jobs") == 0; }));
    CHECK(schema.number("select count(*) from $schema.graph_triple_staging") == 0);
    CHECK(memoird.stop() == 0);
    CHECK(memoird.events("memoir.synthesize.committed").size() == 1);

    const auto shown = run({{memoirctl_PROGRAM, "--config", memoird.config_file(), "graph", "show", "--agent",
                             "a", "--org", "o", "--user", "u", "--json"},
                            {},
                            {}});
    INFO(shown.errors);
    REQUIRE(shown.code == 0);
    const auto graph = json::parse(shown.output);
    CHECK(graph["entities"].size() == 2);
    REQUIRE(graph["edges"].size() == 1);
    CHECK(graph["edges"][0]["subject"] == who[0]);
    CHECK(graph["edges"][0]["type"] == "WORKS_AT");
    CHECK(graph["edges"][0]["object"] == who[1]);
    CHECK(graph["edges"][0]["valid_to"].is_null());
    CHECK(graph["edges"][0]["memory_pids"] == json::array({pid}));

    const auto written = memoird.log() + memoird.process().output() + shown.errors;
    REQUIRE(written.size() > 1'000);
    CHECK(written.find("Geheim4717") == std::string::npos);
}
