#include "vector/postgres_index.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <set>
#include <thread>

#include "support/postgres.hpp"
#include "support/wait.hpp"
#include "vector/similarity.hpp"

using namespace memoir;
using namespace memoir::vector;
using memoir::test::TestSchema;

namespace {

constexpr int dimension = 4;
const std::string model = "test/model";

struct Fixture {
    TestSchema schema;
    pg::Pool pool{schema.options(), 4};
    PostgresIndex index{pool, schema.name(), model, dimension};

    Point point(const std::string& pid, std::vector<float> vector) {
        Point p;
        p.pid = pid;
        p.agent_id = "a", p.org_id = "o", p.user_id = "u", p.kind = "episodic";
        p.vector = std::move(vector);
        return p;
    }
    void apply(const pg::Effect& effect) {
        auto connection = pool.acquire();
        pg::Transaction transaction(*connection, pg::Transaction::Durability::off);
        effect(transaction);
        transaction.commit();
    }
    void write(const std::vector<Point>& points) { apply(index.write(points, {})); }
    std::string store(const std::string& content, std::vector<float> vector) {
        const auto pid = schema.memory(content);
        write({point(pid, std::move(vector))});
        return pid;
    }
    std::vector<Hit> search(std::vector<float> vector, int limit = 10,
                            std::optional<double> score_above = std::nullopt,
                            std::optional<std::string> kind = std::nullopt) {
        return index.search({.agent_id = "a",
                             .org_id = "o",
                             .user_id = "u",
                             .kind = std::move(kind),
                             .vector = std::move(vector),
                             .limit = limit,
                             .score_above = score_above},
                            {});
    }
    std::int64_t count() { return schema.number("select count(*) from $schema.memoird_vectors"); }
};

std::vector<std::string> pids(const std::vector<Hit>& hits) {
    std::vector<std::string> result;
    for (const auto& hit : hits) result.push_back(hit.pid);
    return result;
}

std::string start_error(PostgresIndex& index) {
    try {
        index.prepare({});
    } catch (const StartError& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE_METHOD(Fixture, "what was written in a committed transaction is found, with its exact cosine") {
    const auto pid = store("one", {1, 0, 0, 0});
    const auto other = store("two", {0.6F, 0.8F, 0, 0});
    const auto hits = search({2, 0, 0, 0});
    CHECK(pids(hits) == std::vector<std::string>{pid, other});
    CHECK(hits[0].score == Approx(1.0));
    CHECK(hits[1].score == Approx(0.6));
}

TEST_CASE_METHOD(Fixture, "what was rolled back is not found") {
    const auto pid = schema.memory("one");
    const std::vector<Point> points{point(pid, {1, 0, 0, 0})};
    const auto effect = index.write(points, {});
    {
        auto connection = pool.acquire();
        pg::Transaction transaction(*connection, pg::Transaction::Durability::off);
        effect(transaction);
    }
    CHECK(count() == 0);
    apply(effect);  // an effect can be run again: a settle starts over
    CHECK(count() == 1);
}

TEST_CASE_METHOD(Fixture, "writing does nothing before its effect runs") {
    const std::vector<Point> points{point(schema.memory("one"), {1, 0, 0, 0})};
    const auto effect = index.write(points, {});
    CHECK(count() == 0);
}

TEST_CASE_METHOD(Fixture, "the effect outlives the points it was made of") {
    pg::Effect effect;
    const auto pid = schema.memory("one");
    {
        const std::vector<Point> points{point(pid, {0, 0, 0, 1})};
        effect = index.write(points, {});
    }
    apply(effect);
    CHECK(pids(search({0, 0, 0, 1}, 1, 0.99)) == std::vector<std::string>{pid});
}

TEST_CASE_METHOD(Fixture, "writing twice is one row, and the last vector counts") {
    const auto pid = store("one", {1, 0, 0, 0});
    write({point(pid, {0, 1, 0, 0})});
    CHECK(count() == 1);
    CHECK(search({0, 1, 0, 0}, 1)[0].score == Approx(1.0));
}

TEST_CASE_METHOD(Fixture, "a memory that is gone gets no row, the others of its batch do") {
    const auto pid = schema.memory("one");
    const auto later = schema.memory("three");
    write(
        {point("gone-gone-gone-gone-g", {1, 0, 0, 0}), point(later, {0, 0, 1, 0}), point(pid, {0, 1, 0, 0})});
    CHECK(count() == 2);
    CHECK(search({0, 1, 0, 0}, 1)[0].pid == pid);  // each pid has its own vector
    CHECK(search({0, 0, 1, 0}, 1)[0].pid == later);
}

TEST_CASE_METHOD(Fixture, "a batch of none is no statement") {
    CHECK_NOTHROW(write({}));
}

TEST_CASE_METHOD(Fixture, "agent and organisation are compared where the query names them, the user always") {
    const auto stored = [&](const std::string& agent, const std::string& org, const std::string& user) {
        const auto pid = store("said", {1, 0, 0, 0});
        schema.sql("update $schema.memories set agent_id = $2, org_id = $3, user_id = $4 where pid = $1",
                   pg::Params().add(pid).add(agent).add(org).add(user));
        return pid;
    };
    const auto whole = stored("a", "o", "u"), bare = stored("__MEMOIR_NO_AGENT__", "__MEMOIR_NO_ORG__", "u"),
               agent = stored("a", "p", "u"), org = stored("b", "o", "u");
    stored("a", "o", "v");
    const auto found = [&](std::optional<std::string> agent_id, std::optional<std::string> org_id) {
        std::set<std::string> all;
        for (const auto& hit : index.search({.agent_id = std::move(agent_id),
                               .org_id = std::move(org_id),
                               .user_id = "u",
                               .kind = "episodic",
                               .vector = {1, 0, 0, 0},
                               .limit = 10,
                               .score_above = std::nullopt},
                                            {}))
            all.insert(hit.pid);
        return all;
    };
    CHECK(found({}, {}) == std::set{whole, bare, agent, org});
    CHECK(found("a", {}) == std::set{whole, agent});
    CHECK(found({}, "o") == std::set{whole, org});
    CHECK(found("a", "o") == std::set{whole});
    CHECK(found("__MEMOIR_NO_AGENT__", {}) == std::set{bare});
}

TEST_CASE_METHOD(Fixture, "a search across agents reads the user's memories by an index, in any shape") {
    schema.sql(
        "insert into $schema.memories (pid, agent_id, org_id, user_id, content) select 'm' || i, 'a' || i % "
        "3, 'o' || i % 5, 'u' || i % 400, '' from generate_series(1, 20000) i");
    schema.sql(
        "insert into $schema.memoird_vectors select pid, 'test/model', '{1,0,0,0}' from $schema.memories where pid "
        "like 'm%'");
    schema.sql("analyze $schema.memories");
    schema.sql("analyze $schema.memoird_vectors");
    for (const bool agent : {false, true})
        for (const bool org : {false, true}) {
            CAPTURE(agent, org);
            Query query{.agent_id = {},
                        .org_id = {},
                        .user_id = "u7",
                        .kind = "episodic",
                        .vector = {},
                        .score_above = {}};
            if (agent) query.agent_id = "a1";
            if (org) query.org_id = "o1";
            const auto statement = index.candidates(query);
            const auto plan = schema.connect()->exec("explain " + statement.sql, statement.params);
            std::string text;
            for (int row = 0; row < plan.rows(); ++row) text += plan.string(row, 0) + "\n";
            INFO(text);
            CHECK(text.find("Seq Scan on memories") == std::string::npos);
        }
}

TEST_CASE_METHOD(Fixture, "a forgotten memory takes its vector with it") {
    const auto pid = store("one", {1, 0, 0, 0});
    schema.sql("delete from $schema.memories where pid = $1", pg::Params().add(pid));
    CHECK(count() == 0);
}

TEST_CASE_METHOD(Fixture, "numbers survive the way there and back to the last bit") {
    const std::vector<float> vector{1e-38F, -0.1F, 3.4e38F, 1.0F / 3.0F};
    const auto pid = store("one", vector);
    const auto stored = schema.sql("select vector from $schema.memoird_vectors").floats(0, 0);
    CHECK(stored == vector);
}

TEST_CASE_METHOD(Fixture, "only the scope and the kind that were asked for are searched") {
    const auto pid = store("mine", {1, 0, 0, 0});
    const auto fact = schema.memory("fact", "semantic");
    write({point(fact, {0.9F, 0.1F, 0, 0})});
    for (const auto* column : {"agent_id", "org_id", "user_id"}) {
        const auto foreign = store("foreign", {1, 0, 0, 0});
        schema.sql(std::string("update $schema.memories set ") + column + " = 'x' where pid = $1",
                   pg::Params().add(foreign));
    }
    CHECK(pids(search({1, 0, 0, 0})) == std::vector<std::string>{pid, fact});
    CHECK(pids(search({1, 0, 0, 0}, 10, std::nullopt, "semantic")) == std::vector<std::string>{fact});
    CHECK(pids(search({1, 0, 0, 0}, 10, std::nullopt, "episodic")) == std::vector<std::string>{pid});
}

TEST_CASE_METHOD(Fixture, "a score at the threshold is not a hit") {
    store("at", {0, 1, 0, 0});
    const auto pid = store("above", {0.1F, 1, 0, 0});
    CHECK(pids(search({1, 0, 0, 0}, 10, 0.0)) == std::vector<std::string>{pid});
}

TEST_CASE_METHOD(Fixture, "vectors of another model or dimension are not searched") {
    const auto pid = store("one", {1, 0, 0, 0});
    const auto model_pid = store("two", {1, 0, 0, 0});
    const auto size_pid = store("three", {1, 0, 0, 0});
    schema.sql("update $schema.memoird_vectors set model = 'other' where pid = $1",
               pg::Params().add(model_pid));
    schema.sql("update $schema.memoird_vectors set vector = '{1,0}' where pid = $1",
               pg::Params().add(size_pid));
    CHECK(pids(search({1, 0, 0, 0})) == std::vector<std::string>{pid});
}

TEST_CASE_METHOD(Fixture, "a scope larger than several fetches is searched whole, exactly") {
    std::mt19937 random(7);
    std::normal_distribution<float> number;
    std::vector<Point> points;
    for (int i = 0; i < 1200; ++i)
        points.push_back(
            point(schema.memory("m"), {number(random), number(random), number(random), number(random)}));
    write(points);
    const std::vector<float> wanted{0.3F, -0.7F, 0.2F, 0.9F};
    std::vector<Hit> all;
    for (const auto& p : points) all.push_back({p.pid, cosine(wanted, p.vector)});
    std::sort(all.begin(), all.end(), better);
    all.resize(25);
    const auto hits = search(wanted, 25);
    CHECK(pids(hits) == pids(all));
}

TEST_CASE_METHOD(Fixture, "removing none, one, several and what is not there is success") {
    const auto a = store("a", {1, 0, 0, 0}), b = store("b", {1, 0, 0, 0}), c = store("c", {1, 0, 0, 0});
    index.remove({}, {});
    CHECK(count() == 3);
    const std::vector<std::string> two{b, "gone-gone-gone-gone-g", a};
    index.remove(two, {});
    index.remove(two, {});
    CHECK(pids(search({1, 0, 0, 0})) == std::vector<std::string>{c});
}

TEST_CASE_METHOD(Fixture, "removing waits for whoever holds the row and is never the agent's deadlock") {
    const auto a = store("a", {1, 0, 0, 0}), b = store("b", {1, 0, 0, 0});
    const auto first = std::min(a, b), second = std::max(a, b);
    auto agent = schema.connect();
    agent->exec("begin");
    agent->exec("delete from " + schema.name() + ".memories where pid = $1", pg::Params().add(second));
    std::jthread remover([&] {
        const std::vector<std::string> both{a, b};
        index.remove(both, {});
    });
    // The remover holds the first row and waits for the second, which the agent holds; the agent goes on to
    // the first.
    REQUIRE(test::eventually([&] {
        return schema.number("select count(*) from pg_stat_activity where wait_event_type = 'Lock'") > 0;
    }));
    CHECK_NOTHROW(
        agent->exec("delete from " + schema.name() + ".memories where pid = $1", pg::Params().add(first)));
    CHECK_NOTHROW(agent->exec("commit"));
    remover.join();
    CHECK(count() == 0);
}

TEST_CASE_METHOD(Fixture, "a category changes nothing here: readers see the row's") {
    const auto pid = store("one", {1, 0, 0, 0});
    CHECK_NOTHROW(apply(index.set_category(pid, "identity", {})));
    CHECK_NOTHROW(apply(index.set_category(pid, std::nullopt, {})));
    CHECK(count() == 1);
}

TEST_CASE_METHOD(Fixture, "all pids of the table are told, page by page") {
    std::vector<Point> points;
    for (int i = 0; i < 2500; ++i) points.push_back(point(schema.memory("m"), {1, 0, 0, 0}));
    write(points);
    std::set<std::string> told;
    int pages = 0;
    index.each_pid(
        [&](std::span<const std::string> page) {
            ++pages;
            told.insert(page.begin(), page.end());
            CHECK(pool.in_use() == 0);
        },
        {});
    CHECK(told.size() == 2500);
    CHECK(pages == 3);
}

TEST_CASE_METHOD(Fixture, "a vector that does not fit the index is refused before it is sent") {
    const std::vector<Point> shorter{point(schema.memory("m"), {1, 0})};
    CHECK_THROWS_AS(index.write(shorter, {}), Failure);
    CHECK_THROWS_AS(search({1, 0}), Failure);
}

TEST_CASE_METHOD(Fixture, "starts on an empty table and on one of its own model") {
    CHECK(start_error(index).empty());
    store("one", {1, 0, 0, 0});
    CHECK(start_error(index).empty());
}

TEST_CASE("a table that is missing stops the start and names the command") {
    TestSchema schema(TestSchema::With::contract);
    pg::Pool pool(schema.options(), 1);
    PostgresIndex index(pool, schema.name(), model, dimension);
    const auto text = start_error(index);
    CHECK(text.find(schema.name() + ".memoird_vectors") != std::string::npos);
    CHECK(text.find("HINT: run `memoirctl schema apply`") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "vectors of another dimension stop the start with both numbers") {
    store("one", {1, 0, 0, 0});
    PostgresIndex larger(pool, schema.name(), model, 768);
    const auto text = start_error(larger);
    CHECK(text.find(" 4 dimensions") != std::string::npos);
    CHECK(text.find(" 768 ") != std::string::npos);
    CHECK(text.find("HINT: ") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "vectors of another model stop the start with both names") {
    store("one", {1, 0, 0, 0});
    PostgresIndex other(pool, schema.name(), "test/other", dimension);
    const auto text = start_error(other);
    CHECK(text.find("test/model") != std::string::npos);
    CHECK(text.find("test/other") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "a stop ends a search and a removal") {
    const auto pid = store("one", {1, 0, 0, 0});
    std::stop_source stop;
    stop.request_stop();
    CHECK_THROWS(index.search({.agent_id = "a",
                               .org_id = "o",
                               .user_id = "u",
                               .kind = std::nullopt,
                               .vector = {1, 0, 0, 0},
                               .limit = 1,
                               .score_above = std::nullopt},
                              stop.get_token()));
    const std::vector<std::string> one{pid};
    CHECK_THROWS(index.remove(one, stop.get_token()));
    CHECK(count() == 1);
}
