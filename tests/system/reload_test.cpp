// SIGHUP under a working process: what is live is applied, nothing is lost or done twice, and what is wrong
// changes nothing.

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <random>

#include "support/guarded.hpp"
#include "support/tcp_proxy.hpp"
#include "system/events.hpp"
#include "system/notify_socket.hpp"
#include "system/queue_fixture.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

using namespace std::chrono_literals;

// A chat model over Ollama's API that finds one fact, named after itself, and can be made to wait.
class ChatDouble {
  public:
    explicit ChatDouble(std::string name) : name_(std::move(name)) {
        server.handle([this](const HttpRequest& request) {
            if (request.body.find("remembered") == std::string::npos) return reply("ok");
            ++jobs;
            eventually([&] { return open.load(); }, std::chrono::minutes(2));
            return reply(R"({"facts": [{"content": "by )" + name_ + R"(", "confidence": 1.0}]})");
        });
    }
    HttpDouble server{[](const HttpRequest&) { return HttpReply{}; }};
    std::atomic<bool> open = true;
    std::atomic<int> jobs = 0;

  private:
    static HttpReply reply(const std::string& text) {
        return {200,
                nlohmann::json{{"message", {{"role", "assistant"}, {"content", text}}},
                               {"done", true},
                               {"done_reason", "stop"},
                               {"prompt_eval_count", 7},
                               {"eval_count", 7}}
                    .dump(),
                {}};
    }
    const std::string name_;
};

struct Fixture {
    TestSchema schema;
    EmbeddingDouble embedder;
    Fixture() { count_effects(schema); }

    std::int64_t jobs(const std::string& kind = "embed") {
        return schema.number("select count(*) from $schema.memory_jobs where kind = $1",
                             pg::Params().add(kind));
    }
    void remember(const std::string& kind) { schema.job(schema.memory("what is remembered"), kind); }
    std::int64_t facts(const std::string& content) {
        return schema.number("select count(*) from $schema.memories where content = $1",
                             pg::Params().add(content));
    }
    // It took, and said so.
    static void apply(Memoird& memoird, const std::map<std::string, std::string>& changes) {
        const auto before = events(memoird, "memoir.config.reloaded").size();
        memoird.reload(changes);
        REQUIRE(eventually([&] { return events(memoird, "memoir.config.reloaded").size() > before; }));
    }
    // It did not, and said why.
    static nlohmann::json refuse(Memoird& memoird, const std::map<std::string, std::string>& changes) {
        const auto before = events(memoird, "memoir.config.rejected").size();
        memoird.reload(changes);
        REQUIRE(eventually([&] { return events(memoird, "memoir.config.rejected").size() > before; }));
        CHECK(events(memoird, "memoir.config.reloaded").empty());
        const auto rejected = events(memoird, "memoir.config.rejected").back();
        CHECK_FALSE(text_of(rejected, "hint").empty());
        return rejected;
    }
    // No job was handed back or charged with an attempt.
    void check_calm(const Memoird& memoird) {
        CHECK(events(memoird, "memoir.worker.job_released").empty());
        CHECK(events(memoird, "memoir.worker.lease_lost").empty());
        CHECK(schema.number("select count(*) from $schema.attempts") == 0);
    }
};

std::map<std::string, std::string> with_extraction(const ChatDouble& chat) {
    return {{"extraction.url", "\"" + chat.server.url() + "\""}, {"extraction.model", "\"m\""}};
}

}  // namespace

TEST_CASE_METHOD(Fixture, "HUP gives a lane more loops while those that it has are busy") {
    EmbeddingGate gate(embedder);
    fill(schema, 20);
    Memoird memoird(schema, embedder, {.settings = quick(embed_lane(1, 1))});
    REQUIRE(gate.reached());
    apply(memoird, embed_lane(5, 2));
    CHECK(values(memoird, "memoir.config.reloaded", "applied") ==
          std::set<std::string>{"lanes.embed.loops, lanes.embed.batch"});
    CHECK(eventually([&] { return gate.waiting == 5; }));
    gate.open = true;
    CHECK(eventually([&] { return jobs() == 0; }));
    CHECK_EXACTLY_ONCE(schema);
    check_calm(memoird);
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "after HUP the next job goes to the new model, and one under way ends at the old") {
    ChatDouble first("first"), second("second");
    first.open = false;
    Memoird memoird(schema, embedder, {.settings = quick(with_extraction(first))});
    remember("extract");
    REQUIRE(eventually([&] { return first.jobs == 1; }));
    apply(memoird, with_extraction(second));
    remember("extract");
    CHECK(eventually([&] { return facts("by second") == 1; }));
    CHECK(first.jobs == 1);
    CHECK(facts("by first") == 0);
    first.open = true;
    CHECK(eventually([&] { return facts("by first") == 1 && jobs("extract") == 0; }));
    CHECK(second.jobs == 1);
    check_calm(memoird);
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "HUP switches a kind on whose section is new, and off again") {
    ChatDouble chat("chat");
    Memoird memoird(schema, embedder, {.settings = quick()});
    REQUIRE(memoird.ready());
    CHECK(values(memoird, "memoir.worker.kind_unserved", "kind").contains("extract"));
    remember("extract");
    apply(memoird, with_extraction(chat));
    CHECK(eventually([&] { return jobs("extract") == 0; }));
    CHECK(facts("by chat") == 1);
    const auto unserved = events(memoird, "memoir.worker.kind_unserved").size();
    apply(memoird, {{"extraction.url", ""}, {"extraction.model", ""}});
    CHECK(eventually([&] { return events(memoird, "memoir.worker.kind_unserved").size() == unserved + 2; }));
    remember("extract");
    CHECK(eventually([&] {
        return schema.number("select count(*) from $schema.memoird_hosts where 'extract' = any(kinds)") == 0;
    }));
    CHECK(jobs("extract") == 1);
    CHECK(chat.jobs == 1);
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "HUP reads a key file and a prompt file again, though no setting changed") {
    const auto directory = temporary_directory("mrl");
    const auto write = [&](const std::string& name, const std::string& text) {
        std::ofstream(directory + "/" + name) << text;
        std::filesystem::permissions(
            directory + "/" + name, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
        return "\"" + directory + "/" + name + "\"";
    };
    HttpDouble server([](const HttpRequest&) {
        return HttpReply{
            200,
            R"({"choices": [{"message": {"content": "{\"facts\": []}"}, "finish_reason": "stop"}]})",
            {}};
    });
    Memoird memoird(schema, embedder,
                    {.settings = quick({{"extraction.provider", "\"openai\""},
                                        {"extraction.url", "\"" + server.url() + "\""},
                                        {"extraction.api_key_file", write("key", "one")},
                                        {"extraction.prompt_file", write("prompt", "Say nothing.")}})});
    remember("extract");
    REQUIRE(eventually([&] { return jobs("extract") == 0; }));
    CHECK(server.requests().back().headers.at("authorization") == "Bearer one");
    CHECK(server.requests().back().body.find("Say nothing.") != std::string::npos);
    write("key", "two");
    write("prompt", "Say everything.");
    apply(memoird, {});
    server.forget();
    remember("extract");
    REQUIRE(eventually([&] { return jobs("extract") == 0; }));
    CHECK(server.requests().back().headers.at("authorization") == "Bearer two");
    CHECK(server.requests().back().body.find("Say everything.") != std::string::npos);
    CHECK(memoird.log().find("two") == std::string::npos);
    CHECK(memoird.stop() == 0);
    std::filesystem::remove_all(directory);
}

TEST_CASE_METHOD(Fixture, "what can never work is rejected as a whole, and work goes on as before") {
    Memoird memoird(schema, embedder, {.settings = quick(embed_lane(1, 1))});
    REQUIRE(memoird.ready());
    SECTION("another dimension") {
        const auto told = refuse(memoird, {{"embedding.dimension", "5"}, {"lanes.embed.loops", "4"}});
        CHECK(text_of(told, "message").find("embedding.dimension") != std::string::npos);
    }
    SECTION("a model that is not there") {
        const auto told = refuse(memoird, {{"embedding.provider", "\"onnx\""},
                                           {"embedding.url", ""},
                                           {"embedding.model_dir", "\"/nowhere/at/all\""},
                                           {"lanes.embed.loops", "4"}});
        CHECK(text_of(told, "message").find("/nowhere/at/all") != std::string::npos);
    }
    SECTION("half of a file that only works as a whole") {
        const auto told = refuse(memoird, {{"worker.lease", "\"10m\""}, {"worker.poll_interval", "\"5m\""}});
        CHECK(text_of(told, "message").find("worker.poll_interval") != std::string::npos);
        CHECK(text_of(told, "hint").find("restart") != std::string::npos);
    }
    fill(schema, 5);
    CHECK(eventually([&] { return jobs() == 0; }));
    CHECK_EXACTLY_ONCE(schema);
    // And the file put right is taken.
    apply(memoird, {{"embedding.dimension", "4"},
                    {"embedding.provider", "\"ollama\""},
                    {"embedding.url", "\"" + embedder.url() + "\""},
                    {"embedding.model_dir", ""},
                    {"worker.lease", "\"2100ms\""},
                    {"worker.poll_interval", "\"20ms\""},
                    {"lanes.embed.loops", "2"}});
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "what needs a restart is named each time, stays as it was, and holds nothing up") {
    Memoird memoird(schema, embedder, {.settings = quick(embed_lane(1, 1))});
    REQUIRE(memoird.ready());
    apply(memoird, {{"database.pool", "3"},
                    {"worker.lease", "\"5s\""},
                    {"vector.collection", "\"other\""},
                    {"metrics.listen", "\"127.0.0.1:1\""},
                    {"worker.max_attempts", "7"}});
    const auto told = events(memoird, "memoir.config.reloaded").back();
    CHECK(text_of(told, "restart_needed") ==
          "database.pool, worker.lease, vector.collection, metrics.listen");
    CHECK(text_of(told, "applied") == "worker.max_attempts");
    CHECK_FALSE(text_of(told, "hint").empty());
    apply(memoird, {});
    const auto again = events(memoird, "memoir.config.reloaded").back();
    CHECK(text_of(again, "restart_needed") == text_of(told, "restart_needed"));
    CHECK(text_of(again, "applied").empty());
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "HUP while TERM drains is nothing") {
    EmbeddingGate gate(embedder);
    fill(schema, 4);
    NotifySocket systemd;
    Memoird memoird(schema, embedder,
                    {.settings = quick(embed_lane(1, 2)), .environment = systemd.environment()});
    REQUIRE(gate.reached());
    memoird.process().signal(SIGTERM);
    REQUIRE(systemd.told("STOPPING=1"));
    for (int time = 0; time < 3; ++time) memoird.reload(embed_lane(8, 8));
    gate.open = true;
    CHECK(memoird.process().wait(60s) == 0);
    CHECK(events(memoird, "memoir.config.reloaded").empty());
    CHECK(systemd.count("RELOADING=1") == 0);
    CHECK(jobs() == 2);
    CHECK(schema.number("select count(*) from $schema.effects") == 2);
    check_calm(memoird);
}

TEST_CASE_METHOD(Fixture,
                 "a backend that does not answer holds up the reload, and neither work nor watchdog") {
    HttpDouble silent([](const HttpRequest&) { return HttpReply{.fault = HttpReply::Fault::hang}; });
    NotifySocket systemd;
    Memoird memoird(schema, embedder, {.settings = quick(), .environment = systemd.environment()});
    REQUIRE(memoird.ready());
    memoird.reload({{"embedding.url", "\"" + silent.url() + "\""}});
    REQUIRE(eventually([&] { return !silent.requests().empty(); }));
    CHECK(systemd.count("RELOADING=1") == 1);
    const auto ready = systemd.count("READY=1"), fed = systemd.count("WATCHDOG=1");
    fill(schema, 10);
    CHECK(eventually([&] { return jobs() == 0; }));
    CHECK(eventually([&] { return systemd.count("WATCHDOG=1") > fed + 1; }));
    memoird.process().signal(SIGUSR1);
    CHECK(memoird.process().wrote("memoir.worker.status"));
    SECTION("it is applied in the end, with an open breaker") {
        CHECK(eventually([&] { return events(memoird, "memoir.config.reloaded").size() == 1; }));
        CHECK(eventually([&] { return systemd.count("READY=1") == ready + 1; }));
        CHECK(events(memoird, "memoir.breaker.opened").size() == 1);
        fill(schema, 1, "n");
        apply(memoird, {{"embedding.url", "\"" + embedder.url() + "\""}});
        CHECK(eventually([&] { return jobs() == 0; }));
    }
    SECTION("TERM does not wait for it") {
        CHECK(memoird.stop(5s) == 0);
        CHECK(events(memoird, "memoir.config.reloaded").empty());
    }
}

TEST_CASE_METHOD(Fixture, "a breaker whose endpoint's settings did not change stays open through a HUP") {
    embedder.before([](const HttpRequest&) { return HttpReply{.status = 503}; });
    Memoird memoird(schema, embedder, {.settings = quick()});
    REQUIRE(memoird.ready());
    REQUIRE(eventually([&] { return events(memoird, "memoir.breaker.opened").size() == 1; }));
    fill(schema, 3);
    apply(memoird, {{"lanes.embed.kinds", "[\"embed\"]"}, {"lanes.embed.loops", "4"}});
    apply(memoird, {{"worker.retry_base", "\"200ms\""}});
    CHECK(events(memoird, "memoir.breaker.opened").size() == 1);
    CHECK(jobs() == 3);
    embedder.before({});
    // Its probes go on with the new generation.
    CHECK(eventually([&] { return jobs() == 0; }));
    CHECK(events(memoird, "memoir.breaker.closed").size() == 1);
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "HUP before the database is there is applied once it is") {
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    proxy.refuse(true);
    NotifySocket systemd;
    Memoird memoird(schema, embedder,
                    {.url = Cluster::shared().tcp_url("memoir", proxy.port()),
                     .settings = quick(embed_lane(1, 1)),
                     .environment = systemd.environment()});
    REQUIRE(memoird.process().wrote("memoir.database.down"));
    memoird.reload({{"worker.leese", "1"}});
    REQUIRE(memoird.process().wrote("memoir.config.rejected"));
    memoird.reload(embed_lane(3, 1) + std::map<std::string, std::string>{{"worker.leese", ""}});
    CHECK(systemd.count("RELOADING=1") == 0);
    proxy.refuse(false);
    REQUIRE(memoird.ready());
    CHECK(eventually([&] { return events(memoird, "memoir.config.reloaded").size() == 1; }));
    EmbeddingGate gate(embedder);
    fill(schema, 3);
    CHECK(eventually([&] { return gate.waiting == 3; }));
    gate.open = true;
    CHECK(memoird.stop() == 0);
    CHECK_EXACTLY_ONCE(schema);
}

TEST_CASE_METHOD(Fixture, "20 HUPs under load, and every job is done exactly once") {
    EmbeddingDouble other;
    fill(schema, 4'000);
    Memoird memoird(schema, embedder, {.settings = quick(embed_lane(4, 8))});
    REQUIRE(memoird.ready());
    std::mt19937 random(11);
    const auto up_to = [&](int most) { return std::uniform_int_distribution(1, most)(random); };
    for (int time = 0; time < 20; ++time) {
        // However fast or slow the machine is, there is work at each of them.
        if (jobs() < 3'000) fill(schema, 3'000, "n" + std::to_string(time) + "-");
        const auto indexed = schema.number("select count(*) from $schema.effects");
        auto changes = embed_lane(up_to(8), up_to(32));
        changes["embedding.url"] = "\"" + (up_to(2) == 1 ? embedder : other).url() + "\"";
        changes["worker.retry_base"] = "\"" + std::to_string(100 + time) + "ms\"";
        apply(memoird, changes);
        CHECK(eventually(
            [&] { return schema.number("select count(*) from $schema.effects") > indexed || jobs() == 0; }));
    }
    CHECK(eventually([&] { return jobs() == 0; }, std::chrono::minutes(3)));
    CHECK_EXACTLY_ONCE(schema);
    CHECK(other.texts() > 100);
    check_calm(memoird);
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Fixture, "HUPs in a row are answered by the last of the file, and two processes bear it") {
    fill(schema, 4'000);
    const Memoird::Options options{.settings = quick(embed_lane(2, 8))};
    Memoird one(schema, embedder, options), two(schema, embedder, options);
    REQUIRE(one.ready());
    REQUIRE(two.ready());
    for (int time = 0; time < 30; ++time) {
        one.reload(embed_lane(1 + time % 5, 4));
        two.process().signal(SIGHUP);
    }
    apply(one, embed_lane(7, 1));
    CHECK(eventually([&] { return jobs() == 0; }, std::chrono::minutes(3)));
    CHECK_EXACTLY_ONCE(schema);
    check_calm(one);
    check_calm(two);
    CHECK(two.stop() == 0);
    EmbeddingGate gate(embedder);
    fill(schema, 8, "n");
    CHECK(eventually([&] { return gate.waiting == 7; }));
    gate.open = true;
    CHECK(eventually([&] { return jobs() == 0; }));
    CHECK(one.stop() == 0);
}
