#include "vector/qdrant.hpp"

#include <catch2/catch.hpp>
#include <set>
#include <thread>

#include "support/qdrant_double.hpp"
#include "support/recording_log.hpp"
#include "support/wait.hpp"
#include "vector/point_id.hpp"

using namespace memoir;
using namespace memoir::vector;
using memoir::test::QdrantDouble;
using nlohmann::json;

namespace {

constexpr auto upserts = "PUT /collections/memoir_memories/points$";
constexpr auto deletes = "/points/delete";
constexpr auto queries = "/points/query";

struct Fixture {
    QdrantDouble& qdrant = QdrantDouble::shared();
    http::Client client;
    test::RecordingLog log;
    Options options = [this] {
        Options given;
        given.url = qdrant.url();
        given.timeout = std::chrono::seconds(5);
        return given;
    }();
    std::unique_ptr<QdrantIndex> made;

    QdrantIndex& index(int dimension = 2) {
        if (!made) made = std::make_unique<QdrantIndex>(options, dimension, client, log);
        return *made;
    }
    static Point point(const std::string& pid, std::vector<float> vector = {1, 0}) {
        Point p;
        p.pid = pid;
        p.agent_id = "a", p.org_id = "o", p.user_id = "u", p.kind = "episodic";
        p.created_at_ms = 1000;
        p.vector = std::move(vector);
        return p;
    }
    void write(const std::vector<Point>& points) { index().write(points, {}); }
    std::vector<Hit> search(std::vector<float> vector = {1, 0}, int limit = 10,
                            std::optional<double> score_above = std::nullopt,
                            std::optional<std::string> kind = std::nullopt) {
        return index().search({.agent_id = "a",
                               .org_id = "o",
                               .user_id = "u",
                               .kind = std::move(kind),
                               .vector = std::move(vector),
                               .limit = limit,
                               .score_above = score_above},
                              {});
    }
    // As the library writes: under an id of its own.
    void library_point(const std::string& id, const std::string& pid, const json& vector = {1, 0}) {
        qdrant.request("PUT", "/collections/memoir_memories/points?wait=true",
                       {{"points",
                         {{{"id", id},
                           {"vector", vector},
                           {"payload",
                            {{"pid", pid},
                             {"agent_id", "a"},
                             {"org_id", "o"},
                             {"user_id", "u"},
                             {"kind", "episodic"}}}}}}});
    }
    void create(const json& vectors) {
        qdrant.request("PUT", "/collections/memoir_memories", {{"vectors", vectors}});
    }

    template <typename Call>
    Failure failure_of(Call&& call) {
        try {
            call();
        } catch (const Failure& failure) {
            CHECK(failure.endpoint == "qdrant");
            return failure;
        }
        FAIL("no failure");
        throw;
    }
    std::string start_error(int dimension = 2) {
        try {
            index(dimension).prepare({});
        } catch (const StartError& error) {
            return error.what();
        }
        return "";
    }
    endpoint::State state() { return index().endpoint()->snapshot().state; }
};

std::vector<std::string> pids(const std::vector<Hit>& hits) {
    std::vector<std::string> result;
    for (const auto& hit : hits) result.push_back(hit.pid);
    return result;
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

const std::string id_1 = "00000000-0000-4000-8000-000000000001",
                  id_2 = "00000000-0000-4000-8000-000000000002";

}  // namespace

TEST_CASE_METHOD(Fixture, "creates the collection and its payload indexes where they are missing") {
    index().prepare({});
    const auto info = qdrant.request("GET", "/collections/memoir_memories");
    CHECK(info["config"]["params"]["vectors"] == json{{"size", 2}, {"distance", "Cosine"}});
    std::map<std::string, std::string> types;
    for (const auto& [key, value] : info["payload_schema"].items()) types[key] = value["data_type"];
    CHECK(types == std::map<std::string, std::string>{{"pid", "keyword"},
                                                      {"agent_id", "keyword"},
                                                      {"org_id", "keyword"},
                                                      {"user_id", "keyword"},
                                                      {"kind", "keyword"},
                                                      {"category", "keyword"},
                                                      {"created_at", "integer"},
                                                      {"event_at", "integer"},
                                                      {"confidence", "integer"}});
    CHECK(info["payload_schema"]["user_id"]["params"]["is_tenant"] == true);
    CHECK(log.count("memoir.vector.collection_created") == 1);
}

TEST_CASE_METHOD(Fixture, "a start on what is there already only reads") {
    index().prepare({});
    const auto before = qdrant.requests().size();
    QdrantIndex again(options, 2, client, log);
    again.prepare({});
    CHECK(qdrant.requests().size() == before + 1);
}

TEST_CASE_METHOD(Fixture, "a server that knows no tenants gets plain indexes") {
    qdrant.fault({.kind = "status", .path = "/index", .body = "is_tenant", .status = 400});
    index().prepare({});
    const auto info = qdrant.request("GET", "/collections/memoir_memories");
    CHECK(info["payload_schema"]["user_id"]["data_type"] == "keyword");
}

TEST_CASE_METHOD(Fixture,
                 "the collection that another host creates at the same moment is read and compared") {
    // It was not there when we looked, and is when we create.
    create({{"size", 2}, {"distance", "Cosine"}});
    qdrant.fault({.kind = "status", .path = "GET /collections/memoir_memories", .times = 1, .status = 404});
    CHECK_NOTHROW(index().prepare({}));
    CHECK(log.count("memoir.vector.collection_created") == 0);
    qdrant.reset();
    create({{"size", 3}, {"distance", "Cosine"}});
    qdrant.fault({.kind = "status", .path = "GET /collections/memoir_memories", .times = 1, .status = 404});
    CHECK(contains(start_error(), "3 dimensions"));
}

TEST_CASE_METHOD(Fixture, "two hosts that start together both find the collection") {
    QdrantIndex other(options, 2, client, log);
    std::jthread first([&] { index().prepare({}); }), second([&] { other.prepare({}); });
    first.join(), second.join();
    CHECK(qdrant.request("GET", "/collections/memoir_memories")["payload_schema"].size() == 9);
}

TEST_CASE_METHOD(Fixture, "an index of another dimension stops the start with both numbers and a HINT") {
    create({{"size", 768}, {"distance", "Cosine"}});
    const auto text = start_error(384);
    CHECK(contains(text, "768"));
    CHECK(contains(text, "384"));
    CHECK(contains(text, "HINT: "));
}

TEST_CASE_METHOD(Fixture, "an index of another distance stops the start and names it") {
    create({{"size", 2}, {"distance", "Euclid"}});
    const auto text = start_error();
    CHECK(contains(text, "Euclid"));
    CHECK(contains(text, "Cosine"));
}

TEST_CASE_METHOD(Fixture, "an index of named vectors stops the start") {
    create({{"text", {{"size", 2}, {"distance", "Cosine"}}}});
    CHECK(contains(start_error(), "named vectors"));
}

TEST_CASE_METHOD(Fixture, "a gRPC port given by mistake stops the start and names the right one") {
    qdrant.fault({.kind = "no_http"});
    const auto text = start_error();
    CHECK(contains(text, "gRPC"));
    CHECK(contains(text, "6333"));
}

TEST_CASE_METHOD(Fixture, "a start with a wrong key is blocked and names the setting") {
    qdrant.settings({{"api_key", "right"}});
    options.api_key = Secret("wrong-key-of-ours");
    const auto failure = failure_of([&] { index().prepare({}); });
    CHECK(failure.type() == FailureType::blocked);
    CHECK(contains(failure.hint, "vector.api_key_file"));
    CHECK_FALSE(contains(failure.reason() + failure.hint, "wrong-key-of-ours"));
}

TEST_CASE_METHOD(Fixture, "a key that may not create payload indexes is blocked and says so") {
    create({{"size", 2}, {"distance", "Cosine"}});
    qdrant.settings({{"api_key", "right"}, {"read_only_key", "reader"}});
    options.api_key = Secret("reader");
    const auto failure = failure_of([&] { index().prepare({}); });
    CHECK(failure.type() == FailureType::blocked);
    CHECK(contains(failure.hint, "payload indexes"));
}

TEST_CASE_METHOD(Fixture, "works with the right key") {
    qdrant.settings({{"api_key", "right"}});
    options.api_key = Secret("right");
    write({point("a")});
    CHECK(pids(search()) == std::vector<std::string>{"a"});
}

TEST_CASE_METHOD(Fixture, "a server that is away at the start is an outage, and found when it is back") {
    qdrant.stop();
    CHECK(failure_of([&] { index().prepare({}); }).type() == FailureType::outage);
    CHECK(state() == endpoint::State::open);
    qdrant.start();
    // The probe creates what the start could not.
    CHECK(index().endpoint()->probe_if_due({}, true));
    write({point("a")});
    CHECK(pids(search()) == std::vector<std::string>{"a"});
    CHECK(qdrant.request("GET", "/collections/memoir_memories")["payload_schema"].size() == 9);
}

TEST_CASE_METHOD(Fixture, "what is written has the contract's payload under the pid's id") {
    auto p = point("a");
    p.category = "identity";
    p.event_at_ms = -5;
    p.confidence = 29;
    p.metadata = R"({"x":1.0,"y":1e3,"a.b":{"c":[null]},"pid":"spoof"})";
    write({p});
    const auto points = qdrant.points();
    REQUIRE(points.size() == 1);
    CHECK(points[0]["id"] == point_id("a"));
    CHECK(points[0]["payload"].dump() ==
          R"({"a.b":{"c":[null]},"agent_id":"a","category":"identity","confidence":29,"created_at":1000,)"
          R"("event_at":-5,"kind":"episodic","org_id":"o","pid":"a","user_id":"u","x":1.0,"y":1000})");
}

TEST_CASE_METHOD(Fixture, "writing twice is one point, and the last payload replaces the first") {
    auto p = point("a");
    p.category = "identity";
    write({p});
    p.category.reset();
    p.metadata = R"({"new":1})";
    write({p});
    REQUIRE(qdrant.points().size() == 1);
    const auto payload = qdrant.payload("a");
    CHECK(payload["new"] == 1);
    CHECK_FALSE(payload.contains("category"));
}

TEST_CASE_METHOD(Fixture, "points of the same memories under other ids are removed, others stay") {
    index().prepare({});
    library_point(id_1, "a");
    library_point(id_2, "other");
    write({point("a"), point("b")});
    std::set<std::string> ids;
    for (const auto& stored : qdrant.points()) ids.insert(stored["id"]);
    CHECK(ids == std::set<std::string>{point_id("a"), point_id("b"), id_2});
}

TEST_CASE_METHOD(Fixture, "a batch is one upsert and one removal, the upsert first") {
    index().prepare({});
    const auto before = qdrant.requests().size();
    std::vector<Point> points;
    for (int i = 0; i < 32; ++i) points.push_back(point("p" + std::to_string(i)));
    write(points);
    const auto requests = qdrant.requests();
    REQUIRE(requests.size() == before + 2);
    CHECK(requests[before].method == "PUT");
    CHECK(requests[before + 1].path == "/collections/memoir_memories/points/delete");
    CHECK(qdrant.points().size() == 32);
    write({});
    CHECK(qdrant.requests().size() == before + 2);
}

TEST_CASE_METHOD(Fixture, "a start of writing creates the collection where prepare was never reached") {
    write({point("a")});
    CHECK(qdrant.points().size() == 1);
    CHECK(qdrant.request("GET", "/collections/memoir_memories")["payload_schema"].size() == 9);
}

TEST_CASE_METHOD(Fixture, "under strict mode nothing is filtered before its index is there") {
    qdrant.settings({{"strict", true}});
    write({point("a")});
    index().set_category("a", "identity", {});
    CHECK(pids(search({1, 0}, 10, 0.1, "episodic")) == std::vector<std::string>{"a"});
    const std::vector<std::string> one{"a"};
    index().remove(one, {});
    CHECK(qdrant.points().empty());
}

TEST_CASE_METHOD(Fixture, "agent and organisation are filtered where the query names them, the user always") {
    const auto stored = [&](const std::string& pid, const std::string& agent, const std::string& org,
                            const std::string& user) {
        auto p = point(pid);
        p.agent_id = agent, p.org_id = org, p.user_id = user;
        write({p});
    };
    stored("whole", "a", "o", "u");
    stored("bare", "__MEMOIR_NO_AGENT__", "__MEMOIR_NO_ORG__", "u");
    stored("agent", "a", "p", "u");
    stored("org", "b", "o", "u");
    stored("stranger", "a", "o", "v");
    qdrant.settings({{"strict", true}});
    const auto found = [&](std::optional<std::string> agent_id, std::optional<std::string> org_id) {
        std::set<std::string> all;
        for (const auto& hit : index().search({.agent_id = std::move(agent_id),
                               .org_id = std::move(org_id),
                               .user_id = "u",
                               .kind = "episodic",
                               .vector = {1, 0},
                               .limit = 10,
                               .score_above = std::nullopt},
                                              {}))
            all.insert(hit.pid);
        return all;
    };
    using Pids = std::set<std::string>;
    CHECK(found({}, {}) == Pids{"whole", "bare", "agent", "org"});
    CHECK(found("a", {}) == Pids{"whole", "agent"});
    CHECK(found({}, "o") == Pids{"whole", "org"});
    CHECK(found("a", "o") == Pids{"whole"});
    CHECK(found("__MEMOIR_NO_AGENT__", {}) == Pids{"bare"});
}

TEST_CASE_METHOD(Fixture, "an index that is dropped while strict mode is on is created again") {
    write({point("a")});
    qdrant.request("DELETE", "/collections/memoir_memories");
    create({{"size", 2}, {"distance", "Cosine"}});
    qdrant.settings({{"strict", true}});
    write({point("a")});
    CHECK(pids(search()) == std::vector<std::string>{"a"});
}

TEST_CASE_METHOD(Fixture, "a collection deleted while running is created again, and said so") {
    write({point("a")});
    qdrant.request("DELETE", "/collections/memoir_memories");
    write({point("b")});
    CHECK(qdrant.points().size() == 1);
    const auto events = log.named("memoir.vector.collection_created");
    REQUIRE(events.size() == 2);
    CHECK(events[1].level == telemetry::Level::warning);
    CHECK(contains(events[1].message, "reconcile"));
}

TEST_CASE_METHOD(Fixture, "reading a collection that is gone finds nothing and creates nothing") {
    CHECK(search().empty());
    int pages = 0;
    index().each_pid([&](std::span<const std::string>) { ++pages; }, {});
    CHECK(pages == 0);
    CHECK(qdrant.requests("PUT") == 0);
    CHECK(state() == endpoint::State::closed);
}

TEST_CASE_METHOD(Fixture, "a collection of another dimension, found later, is blocked with both numbers") {
    write({point("a")});
    qdrant.request("DELETE", "/collections/memoir_memories");
    create({{"size", 768}, {"distance", "Cosine"}});
    const auto failure = failure_of([&] { write({point("a")}); });
    CHECK(failure.type() == FailureType::blocked);
    CHECK(contains(failure.reason(), "768"));
    CHECK(contains(failure.reason(), " 2"));
    CHECK_FALSE(failure.hint.empty());
}

TEST_CASE_METHOD(Fixture, "a category is set and removed on whatever point the memory has") {
    index().prepare({});
    library_point(id_1, "a");
    write({point("b")});
    for (const auto* pid : {"a", "b"}) {
        index().set_category(pid, "workflow", {});
        CHECK(qdrant.payload(pid)["category"] == "workflow");
        CHECK(qdrant.payload(pid)["user_id"] == "u");  // the rest stays
        index().set_category(pid, std::nullopt, {});
        CHECK_FALSE(qdrant.payload(pid).contains("category"));
    }
    CHECK_NOTHROW(index().set_category("absent", "workflow", {}));
    CHECK_NOTHROW(index().set_category("absent", std::nullopt, {}));
    CHECK(qdrant.points().size() == 2);
}

TEST_CASE_METHOD(Fixture, "removing takes every point of a memory, and none there is success") {
    index().prepare({});
    write({point("a"), point("b"), point("c")});
    library_point(id_1, "a");
    const std::vector<std::string> two{"a", "c", "absent"};
    index().remove(two, {});
    index().remove(two, {});
    index().remove({}, {});
    REQUIRE(qdrant.points().size() == 1);
    CHECK(qdrant.points()[0]["payload"]["pid"] == "b");
}

TEST_CASE_METHOD(Fixture, "more pids than one request takes are removed in several") {
    index().prepare({});
    write({point("p2499")});
    std::vector<std::string> many;
    for (int i = 0; i < 2500; ++i) many.push_back("p" + std::to_string(i));
    const auto before = qdrant.requests(deletes);
    index().remove(many, {});
    CHECK(qdrant.requests(deletes) == before + 3);
    CHECK(qdrant.points().empty());
}

TEST_CASE_METHOD(Fixture, "a search stays in its scope and kind and finds the nearest first") {
    std::vector<Point> points{point("near", {1, 0.1F}), point("far", {0.1F, 1}), point("fact", {1, 0.5F})};
    points[2].kind = "semantic";
    for (const auto* part : {"agent", "org", "user"}) points.push_back(point(part));
    points[3].agent_id = points[4].org_id = points[5].user_id = "x";
    write(points);
    CHECK(pids(search()) == std::vector<std::string>{"near", "fact", "far"});
    CHECK(pids(search({1, 0}, 10, std::nullopt, "semantic")) == std::vector<std::string>{"fact"});
    CHECK(pids(search({1, 0}, 1)) == std::vector<std::string>{"near"});
    CHECK(search({1, 0}, 1)[0].score == Approx(0.995).margin(0.001));
    CHECK(search({1, 0}, 0).empty());
}

TEST_CASE_METHOD(Fixture, "a score at the threshold is not a hit, here or at the server") {
    write({point("at", {0, 1}), point("above", {0.1F, 1})});
    CHECK(pids(search({1, 0}, 10, 0.0)) == std::vector<std::string>{"above"});
}

TEST_CASE_METHOD(Fixture, "memories with several points count once against the limit") {
    index().prepare({});
    for (int i = 0; i < 9; ++i)
        library_point("00000000-0000-4000-8000-00000000001" + std::to_string(i), "double");
    write({point("second", {1, 0.2F}), point("third", {1, 0.4F})});
    CHECK(pids(search({1, 0}, 3)) == std::vector<std::string>{"double", "second", "third"});
    CHECK(pids(search({1, 0}, 2)) == std::vector<std::string>{"double", "second"});
}

TEST_CASE_METHOD(Fixture, "all pids of the collection are told, page by page") {
    std::vector<Point> points;
    for (int i = 0; i < 600; ++i) points.push_back(point("p" + std::to_string(i)));
    write(points);
    std::set<std::string> told;
    int pages = 0;
    index().each_pid(
        [&](std::span<const std::string> page) {
            told.insert(page.begin(), page.end());
            ++pages;
        },
        {});
    CHECK(told.size() == 600);
    CHECK(pages == 3);
}

TEST_CASE_METHOD(Fixture, "writers at the same time leave one point a memory") {
    index().prepare({});
    QdrantIndex other(options, 2, client, log);
    {
        std::vector<std::jthread> writers;
        for (int t = 0; t < 8; ++t)
            writers.emplace_back([&, t] {
                for (int round = 0; round < 10; ++round) {
                    std::vector<Point> batch;
                    for (int i = 0; i < 8; ++i)
                        batch.push_back(point("p" + std::to_string((2 * t + i) % 16)));
                    (t % 2 ? other : *made).write(batch, {});
                }
            });
    }
    std::set<std::string> told;
    for (const auto& stored : qdrant.points()) CHECK(told.insert(stored["payload"]["pid"]).second);
    CHECK(told.size() == 16);
}

// Failures: the type that comes out, and what the endpoint makes of it.

TEST_CASE_METHOD(Fixture, "a server that goes away is an outage and opens the breaker") {
    write({point("a")});
    qdrant.stop();
    CHECK(failure_of([&] { write({point("b")}); }).type() == FailureType::outage);
    CHECK(state() == endpoint::State::open);
    qdrant.start();
    CHECK(index().endpoint()->probe_if_due({}, true));
    CHECK_NOTHROW(write({point("b")}));
    CHECK(qdrant.points().size() == 2);
}

TEST_CASE_METHOD(Fixture, "429 with Retry-After is throttled until then") {
    write({point("a")});
    qdrant.fault({.kind = "status", .path = upserts, .status = 429, .headers = {{"retry-after", "7"}}});
    const auto failure = failure_of([&] { write({point("b")}); });
    CHECK(failure.type() == FailureType::throttled);
    REQUIRE(failure.retry_after);
    CHECK(*failure.retry_after > std::chrono::seconds(5));
    CHECK(*failure.retry_after <= std::chrono::seconds(8));
}

TEST_CASE_METHOD(Fixture, "500 for everything is an outage, 500 for one memory only is the job's") {
    write({point("a")});
    SECTION("for everything") {
        qdrant.fault({.kind = "status"});
        CHECK(failure_of([&] { write({point("b")}); }).type() == FailureType::outage);
        CHECK(state() == endpoint::State::open);
    }
    SECTION("for one") {
        qdrant.fault({.kind = "status", .body = "\"poison\""});
        CHECK(failure_of([&] { write({point("b"), point("poison")}); }).type() == FailureType::job);
        CHECK_NOTHROW(write({point("b")}));
        CHECK(state() == endpoint::State::closed);
    }
}

TEST_CASE_METHOD(Fixture,
                 "garbage, a cut body, a reset, a lost answer and wait_timeout follow the charging rule") {
    write({point("a")});
    options.timeout = std::chrono::milliseconds(300);  // for the next index
    made.reset();
    index().prepare({});
    for (const auto* kind :
         {"garbage", "cut", "reset", "close", "lost", "wait_timeout", "acknowledged", "stall", "hang"}) {
        CAPTURE(kind);
        qdrant.heal();
        REQUIRE(index().endpoint()->probe_if_due({}, true));
        qdrant.fault({.kind = kind, .body = "\"poison\""});
        CHECK(failure_of([&] { write({point("poison")}); }).type() == FailureType::job);
        qdrant.heal();
        REQUIRE(index().endpoint()->probe_if_due({}, true));
        qdrant.fault({.kind = kind});
        CHECK(failure_of([&] { write({point("b")}); }).type() == FailureType::outage);
    }
    qdrant.heal();
}

TEST_CASE_METHOD(Fixture, "400 and 413 for a batch are its own fault, so that it can be halved") {
    write({point("a")});
    qdrant.fault({.kind = "status", .path = upserts, .body = "\"poison\"", .status = 400});
    CHECK(failure_of([&] { write({point("b"), point("poison")}); }).type() == FailureType::permanent);
    CHECK_NOTHROW(write({point("b")}));
    qdrant.heal();
    qdrant.settings({{"max_body", 1000}});
    std::vector<Point> points;
    for (int i = 0; i < 32; ++i) points.push_back(point("p" + std::to_string(i)));
    const auto failure = failure_of([&] { write(points); });
    CHECK(failure.type() == FailureType::permanent);
    CHECK(contains(failure.reason(), "413"));
    CHECK(state() == endpoint::State::closed);
}

TEST_CASE_METHOD(Fixture, "a collection that cannot be created blocks, whoever's job needed it") {
    for (const auto* path : {"PUT /collections/memoir_memories$", "/index"}) {
        CAPTURE(path);
        qdrant.reset();
        made.reset();
        qdrant.fault({.kind = "status", .path = path, .status = 400});
        const auto failure = failure_of([&] { write({point("a")}); });
        CHECK(failure.type() == FailureType::blocked);
        CHECK(contains(failure.hint, "vector.collection"));
    }
}

TEST_CASE_METHOD(Fixture, "a first answer that is lost at the start costs nothing") {
    qdrant.fault({.kind = "lost", .path = "GET", .times = 1});
    CHECK_NOTHROW(index().prepare({}));
    CHECK(state() == endpoint::State::closed);
    CHECK(qdrant.request("GET", "/collections/memoir_memories")["payload_schema"].size() == 9);
}

TEST_CASE_METHOD(Fixture, "no failure and no event repeats what the server echoes") {
    const std::string said = "unmistakable-content-of-a-person";
    auto p = point("a");
    p.metadata = "{\"note\":\"" + said + "\"}";
    index().prepare({});
    for (const int status : {400, 401, 404, 409, 413, 422, 429, 500, 503}) {
        CAPTURE(status);
        qdrant.heal();
        made = std::make_unique<QdrantIndex>(options, 2, client, log);
        qdrant.fault({.kind = "status", .path = "/points", .status = status});
        const auto failure = failure_of([&] { write({p}); });
        CHECK_FALSE(contains(failure.reason() + failure.hint, said));
    }
    qdrant.heal();
    made = std::make_unique<QdrantIndex>(options, 2, client, log);
    qdrant.fault({.kind = "garbage", .path = "/points"});
    CHECK_FALSE(contains(failure_of([&] { write({p}); }).reason(), said));
    for (const auto& event : log.events()) {
        CHECK_FALSE(contains(event.message, said));
        for (const auto& [key, value] : event.fields) CHECK_FALSE(contains(value, said));
    }
}

TEST_CASE_METHOD(Fixture, "a search on a hung server ends with the call's time-out") {
    options.timeout = std::chrono::milliseconds(200);
    index().prepare({});
    qdrant.fault({.kind = "hang"});
    const auto begin = std::chrono::steady_clock::now();
    CHECK(failure_of([&] { search(); }).type() == FailureType::outage);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));  // it hangs for good
    qdrant.heal();
}

TEST_CASE_METHOD(Fixture, "a stop ends a hanging call at once") {
    index().prepare({});
    qdrant.fault({.kind = "hang"});
    std::stop_source stop;
    std::optional<Failure> failure;
    std::chrono::steady_clock::time_point ended;
    std::jthread writer([&] {
        const std::vector<Point> points{point("a")};
        try {
            index().write(points, stop.get_token());
        } catch (const Failure& thrown) {
            failure = thrown;
        }
        ended = std::chrono::steady_clock::now();
    });
    REQUIRE(test::eventually([&] { return qdrant.requests("PUT /collections/memoir_memories/points") > 0; }));
    const auto begin = std::chrono::steady_clock::now();
    stop.request_stop();
    writer.join();
    CHECK(ended - begin < std::chrono::seconds(1));
    REQUIRE(failure);
    CHECK(failure->type() == FailureType::cancelled);
    CHECK(state() == endpoint::State::closed);
    qdrant.heal();
}

TEST_CASE_METHOD(Fixture,
                 "the probe after a failed write writes nothing that stays, after a failed read it reads") {
    write({point("a")});
    const auto stored = qdrant.points();
    qdrant.fault({.kind = "status", .path = upserts, .times = 1});
    failure_of([&] { write({point("b")}); });
    qdrant.fault({.kind = "status", .path = queries, .times = 1});
    const auto before = qdrant.requests(queries);
    failure_of([&] { search(); });
    CHECK(qdrant.requests(queries) == before + 2);
    CHECK(qdrant.points() == stored);
}

TEST_CASE_METHOD(Fixture, "a vector that does not fit is refused before anything is sent") {
    const auto before = qdrant.requests().size();
    CHECK_THROWS_AS(write({point("a", {1, 0, 0})}), Failure);
    CHECK_THROWS_AS(search({1}), Failure);
    CHECK(qdrant.requests().size() == before);
}
