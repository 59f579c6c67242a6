// Servers that answer and refuse everything, although their probe passes, with many jobs waiting: none fails,
// few requests are made, and it goes on by itself once they are mended. And one memory that alone is refused:
// it fails alone.

#include <atomic>
#include <catch2/catch.hpp>

#include "queue/probe_request.hpp"
#include "system/chat_fixture.hpp"
#include "system/events.hpp"

using namespace memoir;
using namespace memoir::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t alike = 5;

struct Refusals : ChatFixture {
    std::int64_t failed() {
        return schema.number("select count(*) from $schema.memory_jobs where state = 'failed'");
    }
    std::string poison_reason() {
        return schema.value(
            "select coalesce(max(failure_reason), '') from $schema.memory_jobs where state = 'failed'");
    }
    void check_all_done(Memoird& memoird, const std::string& kind) {
        REQUIRE(eventually([&] { return left(kind) == 0; }, 2min));
        CHECK(failed() == 0);
        CHECK(memoird.stop() == 0);
    }
};

bool is_probe_word(const HttpRequest& request) {
    return request.body.find("memoird\"") != std::string::npos;
}

}  // namespace

TEST_CASE_METHOD(Refusals, "a chat server that refuses every job is blocked, and no job fails for it") {
    const int way = GENERATE(range(0, 5));
    CAPTURE(way);
    std::atomic<int> number = 0;
    const auto refuses = [&] {
        switch (way) {
            case 0:
                return HttpReply{400, R"([{"error":{"code":400,"message":"odd"}}])"};
            case 1:
                return HttpReply{400, "request " + std::to_string(++number) + " is not to our taste"};
            case 2:
                return HttpReply{422, "{}"};
            case 3:
                return HttpReply{409, "{}"};
            default:
                return HttpReply{500, "{}"};
        }
    };
    std::atomic<bool> mended = false;
    chat.says([&](const std::string&, const HttpRequest&) { return mended ? chat.facts({}) : refuses(); });
    wait_for("extract", 100);
    Memoird memoird(schema, embedder, options());
    REQUIRE(told(memoird, "memoir.breaker.opened", "endpoint", "extraction"));
    CHECK(chat.arrivals().size() <= alike + 3 + 1);  // the start's probe
    CHECK(failed() == 0);
    mended = true;
    check_all_done(memoird, "extract");
}

TEST_CASE_METHOD(Refusals, "an embedder that refuses every text is blocked, and no job fails for it") {
    const int status = GENERATE(400, 422, 500);
    CAPTURE(status);
    std::atomic<bool> mended = false;
    std::atomic<std::size_t> refused = 0;
    embedder.before([&](const HttpRequest& request) {
        if (mended || is_probe_word(request)) return HttpReply{};
        ++refused;
        return HttpReply{status, R"({"error":"no"})"};
    });
    fill(schema, 200);
    Memoird memoird(schema, embedder, options());
    REQUIRE(told(memoird, "memoir.breaker.opened", "endpoint", "embedding"));
    CHECK(refused <= 2 * (alike + 1));  // the batch and its parts, each once more without what is optional
    CHECK(failed() == 0);
    mended = true;
    check_all_done(memoird, "embed");
    CHECK_EXACTLY_ONCE(schema);
}

TEST_CASE_METHOD(Refusals, "one memory that alone is refused fails alone, among few as among many") {
    const int others = GENERATE(5, 199);
    const int status = GENERATE(400, 500);
    CAPTURE(others, status);
    chat.says([&](const std::string& memory, const HttpRequest&) {
        return memory == "p1" ? HttpReply{status, "{}"} : chat.facts({});
    });
    wait_for("extract", 1, "p");
    wait_for("extract", others);
    Memoird memoird(schema, embedder, options());
    REQUIRE(eventually([&] { return left("extract") == 1 && failed() == 1; }, 1min));
    CHECK(poison_reason() == "HTTP " + std::to_string(status));
    CHECK(chat.calls()["p1"] <= 4);
    CHECK(memoird.stop() == 0);
    CHECK(memoird.events("memoir.breaker.opened").empty());
}

TEST_CASE_METHOD(Refusals, "a text that alone is refused fails alone in its batch") {
    embedder.before([](const HttpRequest& request) {
        return HttpReply{request.body.find("text 7\"") != std::string::npos ? 400 : 200};
    });
    fill(schema, 64);
    Memoird memoird(schema, embedder, options());
    REQUIRE(eventually([&] { return left("embed") == 1 && failed() == 1; }, 1min));
    CHECK(schema.value("select source_pid from $schema.memory_jobs") == "m7");
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Refusals, "a memory that alone meets a limit holds up no other") {
    chat.says([&](const std::string& memory, const HttpRequest&) {
        return memory == "p1" ? HttpReply{429, R"({"error":"slow down, you"})"} : chat.facts({});
    });
    wait_for("extract", 1, "p");
    wait_for("extract", 200);
    Memoird memoird(schema, embedder, options());
    REQUIRE(eventually([&] { return left("extract") == 1; }, 1min));
    CHECK(failed() == 0);
    CHECK(chat.calls()["p1"] >= 2);
    CHECK(memoird.events("memoir.breaker.opened").size() <= 6);
    CHECK(memoird.stop() == 0);
}

TEST_CASE_METHOD(Refusals, "a blocked server is asked again at once by a reload, or at an operator's word") {
    std::atomic<bool> mended = false;
    chat.gate([&](bool) { return HttpReply{mended ? 200 : 401, "{}"}; });
    wait_for("extract", 3);
    Memoird memoird(schema, embedder, options());
    REQUIRE(told(memoird, "memoir.breaker.opened", "endpoint", "extraction"));
    mended = true;
    SECTION("SIGHUP, with a file that says what it said before") {
        memoird.reload();
    }
    SECTION("memoirctl backends probe") {
        schema.connect()->exec(queue::request_probe(schema.name(), "extraction"));
    }
    check_all_done(memoird, "extract");
}

TEST_CASE_METHOD(Refusals, "what was said in a correction is stored while the correction waits for a model") {
    const auto source = schema.memory("said");
    schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind, payload) values ($1, 'reprocess', "
        "'{\"reason\":\"rejected\",\"feedback\":\"it was tea\"}')",
        pg::Params().add(source));
    const auto stored = [&] {
        return schema.number("select count(*) from $schema.memories where content = 'it was tea'");
    };
    std::atomic<bool> away = true;
    chat.gate([&](bool) { return HttpReply{away ? 503 : 200, "{}"}; });
    const Settings kinds{{"lanes.llm.kinds", "[\"extract\", \"reprocess\"]"}};
    SECTION("that is away") {
        Memoird memoird(schema, embedder, options(kinds));
        REQUIRE(eventually([&] { return stored() == 1; }, 1min));
        CHECK(left("reprocess") == 1);
        away = false;
        REQUIRE(eventually([&] { return left("reprocess") == 0; }, 2min));
        CHECK(memoird.stop() == 0);
    }
    SECTION("that another host has") {
        {
            Memoird memoird(schema, embedder,
                            {.settings = quick(Settings{{"lanes.llm.kinds", "[\"reprocess\"]"},
                                                        {"lanes.llm.loops", "1"},
                                                        {"lanes.llm.batch", "1"},
                                                        {"worker.unconfigured", "\"leave\""}})});
            REQUIRE(eventually([&] { return stored() == 1; }, 1min));
            CHECK(left("reprocess") == 1);
            CHECK(memoird.stop() == 0);
        }
        away = false;
        Memoird memoird(schema, embedder, options(kinds));
        REQUIRE(eventually([&] { return left("reprocess") == 0; }, 2min));
        CHECK(memoird.stop() == 0);
    }
    CHECK(stored() == 1);
    CHECK(failed() == 0);
}
