// Agent and organisation in memoirctl: any where it reads and none where it writes, if they are left out.
#include <catch2/catch.hpp>

#include "ctl/ctl_rig.hpp"
#include "graph/graph.hpp"
#include "support/falkordb.hpp"
#include "support/recording_log.hpp"

using namespace memoir;
using Ctl = test::CtlRig;

namespace {
const std::string said = "SECRET words";
}  // namespace

TEST_CASE("graph show keeps apart what is one name in several scopes") {
    if (!test::FalkorDb::available()) return;
    test::FalkorDb server;
    test::RecordingLog log;
    graph::Client client(server.options(), log);
    graph::Graph graph(client);
    const auto write = [&](const memory::Scope& whose) {
        graph::Addition addition{"p1", "2026-01-01T00:00:00+00:00", {{"Ann", {1}}, {"ACME", {1}}}, {}, {}};
        addition.relations.push_back({"Ann", "ACME", "likes", 1});
        graph.write(whose, addition, {});
    };
    write({"__MEMOIR_NO_AGENT__", "__MEMOIR_NO_ORG__", "u"});
    write({"a", "o", "u"});
    write({"a", "o", "v"});
    Ctl ctl;
    ctl.settings.push_back("graph.url=" + server.url());
    const auto all = ctl.answer({"graph", "show", "--user", "u"});
    REQUIRE(all["entities"].size() == 4);
    REQUIRE(all["edges"].size() == 2);
    CHECK(all["edges"][0]["agent"].is_null());
    CHECK(all["edges"][0]["org"].is_null());
    CHECK(all["entities"][3]["agent"] == "a");
    CHECK(ctl.answer({"graph", "show", "--user", "u", "--agent", "a"})["edges"].size() == 1);
    CHECK(ctl.answer({"graph", "show", "--user", "u", "--agent", "__MEMOIR_NO_AGENT__"})["edges"].size() ==
          1);
    const auto table = ctl.run({"graph", "show", "--user", "u", "--agent", "a"}).output;
    CHECK(table.starts_with("ORG  ENTITY"));
    const auto both = ctl.run({"graph", "show", "--user", "u"}).output;
    CHECK(both.starts_with("AGENT  ORG  ENTITY"));
    CHECK(both.find("-      -    Ann") != std::string::npos);
    CHECK(both.find("__MEMOIR_") == std::string::npos);
    const auto drawing = ctl.run({"graph", "show", "--user", "u", "--dot"}).output;
    CHECK(drawing.find(R"(label="agent -, org -")") != std::string::npos);
    CHECK(drawing.find("n0 [label=\"ACME\"]") != std::string::npos);
    CHECK(drawing.find("n1 -> n0 ") != std::string::npos);
    CHECK(drawing.find("n3 -> n2 ") != std::string::npos);
}

TEST_CASE("reconcile --rebuild-graph takes one scope as it is stored, none where it is left out") {
    Ctl ctl;
    ctl.settings.emplace_back("relational.model=some");
    const auto bare = ctl.schema.memory("a");
    ctl.schema.memory("b");
    ctl.schema.sql(
        "update $schema.memories set agent_id = '__MEMOIR_NO_AGENT__', org_id = '__MEMOIR_NO_ORG__' where "
        "pid = $1",
        pg::Params().add(bare));
    for (const auto* refused : {"", "__MEMOIR_NO_AGENT__"})
        CHECK(ctl.run({"reconcile", "--rebuild-graph", "--user", "u", "--agent", refused}).code == 64);
    CHECK(ctl.answer({"reconcile", "--rebuild-graph", "--user", "u"})["relational_extract_jobs"] == 1);
    CHECK(ctl.schema.value("select source_pid from $schema.memory_jobs") == bare);
}

TEST_CASE("a memory may lack its agent and organisation, never its user") {
    Ctl ctl;
    CHECK(ctl.run({"remember", "--user", "__MEMOIR_u", said}).code == 0);
    CHECK(ctl.run({"remember", "--user", "u", "--org", "o", said}).code == 0);
    CHECK(ctl.schema.value("select string_agg(concat_ws(' ', agent_id, org_id, user_id), ', ' order by id) "
                           "from $schema.memories") ==
          "__MEMOIR_NO_AGENT__ __MEMOIR_NO_ORG__ __MEMOIR_u, __MEMOIR_NO_AGENT__ o u");
    for (const auto& refused : std::vector<std::vector<std::string>>{{"--agent", "a", "--org", "o"},
                                                                     {"--user", ""},
                                                                     {"--user", "u", "--agent", ""},
                                                                     {"--user", "u", "--org", ""},
                                                                     {"--user", "u", "--agent", "__MEMOIR_x"},
                                                                     {"--user", "u", "--org", "__MEMOIR_"}}) {
        std::vector<std::string> words{"remember", said};
        words.insert(words.end(), refused.begin(), refused.end());
        const auto finished = ctl.run(words);
        CAPTURE(refused);
        CHECK(finished.code == 64);
        CHECK(finished.errors.find("HINT: ") != std::string::npos);
    }
    CHECK(ctl.schema.number("select count(*) from $schema.memories") == 2);
}

TEST_CASE("relational_extract is enqueued only with a graph and a model that reads relations") {
    const auto [graph, relational, jobs] = GENERATE(
        table<bool, bool, int>({{false, false, 0}, {true, false, 0}, {false, true, 0}, {true, true, 1}}));
    Ctl ctl;
    if (graph) ctl.settings.emplace_back("graph.url=redis://127.0.0.1:1");
    if (relational) ctl.settings.emplace_back("relational.model=some");
    CHECK(ctl.run({"remember", "--user", "u", said}).code == 0);
    CHECK(ctl.schema.number("select count(*) from $schema.memory_jobs where kind = 'relational_extract'") ==
          jobs);
    CHECK(ctl.schema.number("select count(*) from $schema.memory_jobs") == 1 + jobs);
}
