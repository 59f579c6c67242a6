// synthesize against a real FalkorDB: what becomes of staged triples, whatever comes in between.
#include "stages/synthesize.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "stages/graph_rig.hpp"

using namespace memoir;
using memoir::test::eventually;
using memoir::test::FalkorDb;
using memoir::test::GraphRig;

TEST_CASE("a triple is kept at a cosine of 0.6 from some fact and not below; without facts none is") {
    const extraction::Triple close{"a", "is", "close", 1}, far{"a", "is", "far", 1};
    const std::map<std::string, model::Embedding> vectors{{"a is close", {0.6001F, 0.8F}},
                                                          {"a is far", {0.5999F, 0.8001F}},
                                                          {"fact", {1, 0}},
                                                          {"other", {-1, 0}}};
    const auto vector = [&](const std::string& text) -> const model::Embedding& { return vectors.at(text); };
    CHECK(stages::borne_out({close, far}, {"other", "fact"}, vector) ==
          std::vector<extraction::Triple>{close});
    CHECK(stages::borne_out({close, far}, {}, vector).empty());
}

TEST_CASE("triples that a fact bears out become entities and edges, and the staging row goes") {
    if (!FalkorDb::available()) return;
    GraphRig rig;
    const auto pid = rig.source("2026-01-02 03:04:05.5+00",
                                {{"SECRET Ann", "knows", "SECRET Bob", static_cast<double>(0.9F)}});
    rig.stage(pid, {{"SECRET Ann", "knows", "SECRET Bob", static_cast<double>(0.9F)},
                    {"SECRET Ann", "hates", "SECRET Eve", 1},
                    {" ", "knows", "SECRET Bob", 1}});
    rig.synthesize({pid});
    const auto entities = rig.entities();
    REQUIRE(entities.size() == 2);
    CHECK(entities[0].name == "SECRET Ann");
    CHECK(entities[0].first_seen_at == "2026-01-02T03:04:05.500+00:00");
    CHECK(entities[0].memory_pids == std::vector<std::string>{pid});
    graph::Client reader(rig.server->options(), rig.log);
    const auto edges = graph::Graph(reader).shown_edges({"a", "o", "u"}, {});
    REQUIRE(edges.size() == 1);
    CHECK(edges[0].type == "KNOWS");
    CHECK(edges[0].relation == "knows");
    CHECK(edges[0].valid_from == "2026-01-02T03:04:05.500+00:00");
    CHECK_FALSE(edges[0].valid_to);
    CHECK(edges[0].confidence == static_cast<double>(0.9F));
    CHECK(edges[0].memory_pids == std::vector<std::string>{pid});
    CHECK(rig.schema.number("select count(*) from $schema.graph_triple_staging") == 0);
    CHECK(rig.embedder.calls == 1);
    REQUIRE(eventually([&] { return rig.log.count("memoir.synthesize.committed") == 1; }));
    CHECK(rig.log.named("memoir.synthesize.committed")[0].field("kept") == "1");
    CHECK(rig.said_nothing());
}

TEST_CASE("an entity keeps what the library's readers need: embedding as JSON text, native list of pids") {
    if (!FalkorDb::available()) return;
    GraphRig rig;
    rig.synthesize({rig.source("2026-01-01 00:00:00+00", {{"Ann", "knows", "Bob", 1}})});
    graph::Client reader(rig.server->options(), rig.log);
    const auto rows = reader.query(endpoint::Nature::read,
                                   "MATCH (e:Entity {name: 'Ann'}) RETURN keys(e), size(e.memory_pids), "
                                   "substring(e.embedding, 0, 1), size(split(e.embedding, ',')), e.agent_id, "
                                   "e.org_id, e.user_id",
                                   {});
    REQUIRE(rows.size() == 1);
    CHECK(std::get<std::int64_t>(rows[0][1]) == 1);
    CHECK(rows[0][2].text() == "[");
    CHECK(std::get<std::int64_t>(rows[0][3]) == memoir::test::ChosenVectors::size);
    CHECK(rows[0][4].text() + rows[0][5].text() + rows[0][6].text() == "aou");
}

TEST_CASE("without facts nothing is kept, and the row goes; without a row, or a memory, the job is done") {
    if (!FalkorDb::available()) return;
    GraphRig rig;
    const auto pid = rig.source("2026-01-01 00:00:00+00", {{"Ann", "knows", "Bob", 1}});
    rig.schema.sql("update $schema.memories set retirement_reason = 'stale' where kind = 'semantic'");
    rig.synthesize({pid, pid});
    CHECK(rig.entities().empty());
    CHECK(rig.schema.number("select count(*) from $schema.graph_triple_staging") == 0);
    CHECK(rig.log.count("memoir.synthesize.no_staged_triples") == 1);
}

TEST_CASE("single-valued relations: closed by a newer one, an older one later, restated, spelled otherwise") {
    if (!FalkorDb::available()) return;
    GraphRig rig;
    const auto acme = rig.source("2026-01-01 00:00:00+00", {{"Ann", "works at", "ACME", 1}});
    const auto bolt = rig.source("2026-03-01 00:00:00+00", {{"Ann", "Works_At", "Bolt", 1}});
    const auto corp = rig.source("2026-02-01 00:00:00+00", {{"Ann", "works at", "Corp", 1}});
    const auto again = rig.source("2026-04-01 00:00:00+00", {{"Ann", "works at", "Bolt", 1}});
    const auto friends = rig.source("2026-05-01 00:00:00+00",
                                    {{"Ann", "2nd friend", "Bob", 1}, {"Ann", "2nd friend", "Eve", 1}});
    const std::string expected =
        "Ann 2ND_FRIEND Bob [2026-05-01,) 1\n"
        "Ann 2ND_FRIEND Eve [2026-05-01,) 1\n"
        "Ann WORKS_AT ACME [2026-01-01,2026-02-01) 1\n"
        "Ann WORKS_AT Corp [2026-02-01,2026-03-01) 1\n"
        "Ann WORKS_AT Bolt [2026-03-01,) 2\n";
    SECTION("in the order of time") {
        rig.synthesize({acme, corp, bolt, again, friends});
    }
    SECTION("an older statement arrives later") {
        rig.synthesize({acme, bolt, corp, again, friends});
    }
    SECTION("a rebuild, newest first") {
        rig.synthesize({friends, again, bolt, corp, acme});
    }
    CHECK(rig.edges() == expected);
    // Once more, as a rebuild would.
    rig.stage(corp, {{"Ann", "works at", "Corp", 1}});
    rig.stage(acme, {{"Ann", "works at", "ACME", 1}});
    rig.synthesize({corp, acme});
    CHECK(rig.edges() == expected);
}

TEST_CASE("names resolve to an entity of the scope at 0.75 and not below, and never to another scope's") {
    if (!FalkorDb::available()) return;
    GraphRig rig;
    rig.embedder.near("Anna", "Ann", 0.751);
    rig.embedder.near("Anne", "Ann", 0.749);
    rig.synthesize({rig.source("2026-01-01 00:00:00+00", {{"Ann", "knows", "Bob", 1}})});
    rig.synthesize({rig.source("2026-01-02 00:00:00+00", {{"Anna", "likes", "tea", 1}})});
    rig.synthesize({rig.source("2026-01-03 00:00:00+00", {{"Anne", "likes", "tea", 1}})});
    rig.synthesize({rig.source("2026-01-04 00:00:00+00", {{"Anna", "likes", "tea", 1}}, "other")});
    CHECK(rig.edges() ==
          "Ann KNOWS Bob [2026-01-01,) 1\n"
          "Ann LIKES tea [2026-01-02,) 1\n"
          "Anne LIKES tea [2026-01-03,) 1\n");
    CHECK(rig.edges("other") == "Anna LIKES tea [2026-01-04,) 1\n");
}

TEST_CASE("a subject and an object that are the same node make no edge; earlier triples' nodes take part") {
    if (!FalkorDb::available()) return;
    GraphRig rig;
    rig.embedder.near("Annie", "Ann", 0.9);
    rig.synthesize({rig.source("2026-01-01 00:00:00+00", {{"Ann", "is", "Ann", 1},
                                                          {"Ann", "knows", "Bob", 1},
                                                          {"Annie", "is", "Ann", 1},
                                                          {"Annie", "likes", "Bob", 1}})});
    CHECK(rig.edges() ==
          "Ann KNOWS Bob [2026-01-01,) 1\n"
          "Ann LIKES Bob [2026-01-01,) 1\n");
    CHECK(rig.entities().size() == 2);
}

TEST_CASE("new triples staged while synthesize runs get a job of their own") {
    if (!FalkorDb::available()) return;
    GraphRig rig;
    const auto pid =
        rig.source("2026-01-01 00:00:00+00", {{"Ann", "knows", "Bob", 1}, {"Ann", "knows", "Eve", 1}});
    rig.stage(pid, {{"Ann", "knows", "Bob", 1}});
    // The lock of the scope is somebody else's until the new ones are staged.
    auto other = rig.schema.connect();
    auto holder = std::make_unique<pg::Transaction>(*other, pg::Transaction::Durability::off);
    holder->exec("select pg_advisory_xact_lock(hashtextextended($1, 0))",
                 pg::Params().add("memoird graph memoir\na\no\nu"));
    rig.start();
    rig.job(pid);
    REQUIRE(eventually([&] { return rig.embedder.calls == 1; }));
    rig.stage(pid, {{"Ann", "knows", "Eve", 1}});
    holder.reset();
    REQUIRE(rig.drained());
    CHECK(rig.edges() ==
          "Ann KNOWS Bob [2026-01-01,) 1\n"
          "Ann KNOWS Eve [2026-01-01,) 1\n");
    CHECK(rig.schema.number("select count(*) from $schema.graph_triple_staging") == 0);
}

TEST_CASE("jobs of one scope in two processes at once create no entity twice") {
    if (!FalkorDb::available()) return;
    GraphRig rig;
    std::vector<std::string> pids;
    for (int number = 0; number < 200; ++number)
        pids.push_back(rig.source("2026-01-01 00:00:00+00",
                                  {{"Ann", "knows", "friend " + std::to_string(number % 10), 1}}));
    for (const auto& pid : pids) rig.job(pid);
    // The second process is a second engine with connections, a client and a place for scopes of its own.
    pg::Pool pool(rig.schema.options(), 8);
    graph::Client client(rig.graph_options, rig.log);
    graph::Graph graph(client);
    graph::ScopeLocks scopes(1);
    stages::Synthesize stage(graph, scopes, rig.embedder, pool, rig.schema.name(), rig.log);
    work::Entry entry;
    entry.stage = &stage;
    work::EngineSettings settings;
    settings.schema = rig.schema.name();
    settings.host = "second";
    settings.additions.pending_index = settings.additions.pauses = true;
    settings.database = rig.schema.options();
    work::Engine second(settings, {rig.options, {{"synthesize", entry}}}, pool, rig.log);
    second.start();
    rig.start();
    CHECK(rig.drained());
    second.drain({});
    const auto entities = rig.entities();
    CHECK(entities.size() == 11);
    CHECK(entities.front().memory_pids.size() == 200);
    CHECK(rig.log.count("memoir.worker.job_failed") == 0);
}

TEST_CASE("a graph that is away costs time and no attempt, and goes on when it is back") {
    if (!FalkorDb::available()) return;
    GraphRig rig;
    std::vector<std::string> pids;
    for (int number = 0; number < 20; ++number)
        pids.push_back(
            rig.source("2026-01-01 00:00:00+00", {{"Ann", "knows", "friend " + std::to_string(number), 1}}));
    rig.synthesize({pids[0]});
    rig.server->kill();
    for (const auto& pid : pids) rig.job(pid);
    REQUIRE(eventually([&] { return rig.log.count("memoir.breaker.opened") > 0; }));
    CHECK(rig.schema.number("select coalesce(sum(attempts), 0) from $schema.memory_jobs") == 0);
    rig.server->start();
    REQUIRE(eventually([&] { return rig.client->endpoint().probe_if_due({}); }));
    rig.schema.sql(
        "update $schema.memory_jobs set state = 'pending', claimed_by = null, claimed_at = null where "
        "claimed_by = 'parked'");
    CHECK(rig.drained());
    CHECK(rig.entities().size() == 21);
    CHECK(rig.log.count("memoir.worker.job_failed") == 0);
}

TEST_CASE("a job cut off between any two queries of the graph leaves the same graph when it is done again") {
    if (!FalkorDb::available()) return;
    const memory::Scope scope{"a", "o", "u"};
    const std::string acme_at = "2026-01-01T00:00:00+00:00", bolt_at = "2026-03-01T00:00:00+00:00",
                      again_at = "2026-05-01T00:00:00+00:00";
    const auto said = [](const std::string& at, const std::string& object) {
        return graph::Statement{at, object, "pid of " + at, 1, "works at"};
    };
    // A fresh graph of one name after the other, cut after `cut` queries of the second job, then finished.
    const auto drawn_with = [&](GraphRig& rig, std::size_t cut, std::size_t& count) {
        auto options = rig.graph_options;
        options.name = "cut" + std::to_string(cut);
        graph::Client client(options, rig.log);
        graph::Graph graph(client);
        const auto job = [&](const std::string& at, const std::string& object, std::size_t most) {
            graph::Addition made{"pid of " + at, at, {{"Ann", {1}}, {object, {1}}, {"Bob", {1}}}, {}, {}};
            made.relations = {{"Ann", "Bob", "knows", 1}, {"Bob", "Ann", "likes", 1}};
            for (auto& before : graph.lines(scope, {{"Ann", "WORKS_AT", {}}}, {})) {
                auto statements = graph::statements_of(before.edges);
                statements.push_back(said(at, object));
                graph::Line after{"Ann", "WORKS_AT", graph::timeline(std::move(statements))};
                made.lines.push_back({std::move(before), std::move(after)});
            }
            const auto list = graph::commands(scope, made);
            for (std::size_t at_query = 0; at_query < std::min(most, list.size()); ++at_query)
                client.query(endpoint::Nature::write, std::span(&list[at_query], 1), {});
            return list.size();
        };
        job(again_at, "ACME", 100);
        job(bolt_at, "Bolt", 100);
        // The older statement joins the later one into an edge that begins earlier, is split by the middle
        // one.
        count = job(acme_at, "Bolt", cut);
        job(acme_at, "Bolt", 100);
        std::string text;
        for (const auto& edge : graph.shown_edges({scope.agent_id, scope.org_id, scope.user_id}, {}))
            text += edge.subject + " " + edge.type + " " + edge.object + " " + edge.valid_from + " " +
                    edge.valid_to.value_or("") + " " + std::to_string(edge.memory_pids.size()) + "\n";
        return text;
    };
    GraphRig rig;
    std::size_t count = 1;
    const auto whole = drawn_with(rig, 100, count);
    CHECK(whole.find("Ann WORKS_AT Bolt " + acme_at + " " + again_at + " 2") != std::string::npos);
    REQUIRE(count == 5);
    for (std::size_t cut = 0; cut < count; ++cut) {
        CAPTURE(cut);
        std::size_t ignored = 0;
        CHECK(drawn_with(rig, cut, ignored) == whole);
    }
}

TEST_CASE("what the graph holds of a memory that was forgotten meanwhile is taken out again") {
    if (!FalkorDb::available()) return;
    GraphRig rig;
    const auto kept = rig.source("2026-01-01 00:00:00+00", {{"Ann", "knows", "Bob", 1}});
    const auto gone = rig.source("2026-01-01 00:00:00+00", {{"Ann", "knows", "Bob", 1}});
    rig.synthesize({kept, gone});
    graph::Client client(rig.graph_options, rig.log);
    graph::Graph(client).forget({"a", "o", "u"}, gone, {});
    CHECK(rig.edges() == "Ann KNOWS Bob [2026-01-01,) 1\n");
    CHECK(rig.entities().front().memory_pids == std::vector<std::string>{kept});
}

TEST_CASE("triples that lost their job are given one, once, after a minute") {
    if (!FalkorDb::available()) return;
    GraphRig rig;
    rig.options.lease = Milliseconds(600);
    const auto old = rig.source("2026-01-01 00:00:00+00", {{"Ann", "knows", "Bob", 1}});
    const auto fresh = rig.source("2026-01-01 00:00:00+00", {{"Ann", "knows", "Eve", 1}});
    const auto blocked = rig.source("2026-01-01 00:00:00+00", {{"Ann", "knows", "Joe", 1}});
    rig.schema.sql(
        "update $schema.graph_triple_staging set created_at = now() - interval '61 seconds' where "
        "source_pid <> $1",
        pg::Params().add(fresh));
    rig.schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind, state) values ($1, 'extract', 'failed')",
        pg::Params().add(blocked));
    rig.start();
    REQUIRE(eventually([&] { return rig.edges() == "Ann KNOWS Bob [2026-01-01,) 1\n"; }));
    CHECK(rig.log.count("memoir.fan_in.repaired") == 1);
    CHECK(eventually(
        [&] { return rig.schema.number("select count(*) from $schema.graph_triple_staging") == 2; }));
    CHECK(rig.schema.number("select count(*) from $schema.memory_jobs where kind = 'synthesize'") == 0);
}
