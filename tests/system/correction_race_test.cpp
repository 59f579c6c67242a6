// Two corrections of one memory at once, and a correction beside an extract, in two processes: one set of
// facts is left. They are fed a handful of memories at a time, so that both jobs of one run together.

#include <catch2/catch.hpp>
#include <condition_variable>
#include <random>

#include "system/chat_fixture.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

struct Race : ChatFixture {
    static constexpr std::int64_t sources = 240, together = 12;
    std::mutex mutex;
    std::condition_variable second_came;
    std::map<std::string, int> asked;  // calls about a memory
    int met = 0;                       // memories about which two calls were under way at once
    std::minstd_rand random{7};

    // The facts tell whose they are: "m1 by first 1", "m1 by first 2". The first call about a memory waits
    // until there is a second one; which of them is answered first is drawn.
    Race() {
        chat.says([this](const std::string& memory, const HttpRequest& request) {
            const auto has = [&](const char* word) { return request.body.find(word) != std::string::npos; };
            const std::string by = has("first correction")    ? "first"
                                   : has("second correction") ? "second"
                                                              : "extract";
            auto reply = has("leave nothing")
                             ? chat.facts({})
                             : chat.facts({memory + " by " + by + " 1", memory + " by " + by + " 2"});
            std::unique_lock lock(mutex);
            const bool first = ++asked[memory] == 1;
            second_came.notify_all();
            if (first)
                met += second_came.wait_for(lock, std::chrono::seconds(5), [&] { return asked[memory] > 1; });
            reply.delay = std::chrono::milliseconds(random() % 20);
            return reply;
        });
        schema.sql(
            "insert into $schema.memories (pid, agent_id, org_id, user_id, content) select 'm' || i, 'a', "
            "'o', "
            "'u', '[[m' || i || ']] said something' from generate_series(1, $1::integer) i",
            pg::Params().add(sources));
        schema.sql(
            "insert into $schema.memories (pid, agent_id, org_id, user_id, content, kind, source_pid, "
            "qdrant_status) select 'old' || pid, agent_id, org_id, user_id, 'old', 'semantic', pid, "
            "'indexed' "
            "from $schema.memories where pid not like 'm%0'");
        schema.sql(
            "insert into $schema.memoird_vectors select pid, 'double', array[1, 1, 1, 1]::real[] from "
            "$schema.memories where kind = 'semantic'");
    }

    std::unique_ptr<Memoird> process() {
        return std::make_unique<Memoird>(
            schema, embedder,
            Memoird::Options{.settings = chat.settings() + Settings{{"lanes.one.kinds", "[\"extract\"]"},
                                                                    {"lanes.one.loops", "4"},
                                                                    {"lanes.one.batch", "1"},
                                                                    {"lanes.two.kinds", "[\"reprocess\"]"},
                                                                    {"lanes.two.loops", "4"},
                                                                    {"lanes.two.batch", "1"},
                                                                    {"extraction.max_concurrent", "16"},
                                                                    {"log.level", "\"info\""}}});
    }
    // Jobs of `kinds` ("kind: payload") for each source, a handful at a time.
    void run(const std::string& jobs) {
        const auto one = process(), two = process();
        REQUIRE(one->ready());
        REQUIRE(two->ready());
        for (std::int64_t first = 1; first <= sources; first += together) {
            schema.sql(
                "insert into $schema.memory_jobs (source_pid, kind, payload) select 'm' || i, kind, "
                "payload::jsonb from generate_series($1::integer, $2::integer) i, (values " +
                    jobs + ") as j (kind, payload)",
                pg::Params().add(first).add(first + together - 1));
            REQUIRE(eventually([&] {
                return schema.number(
                           "select count(*) from $schema.memory_jobs where kind <> 'embed' and state "
                           "<> 'failed'") == 0;
            }));
        }
        CHECK(one->stop() == 0);
        CHECK(two->stop() == 0);
        CHECK(attempts() == 0);
        CHECK(schema.number("select count(*) from $schema.memory_jobs where state = 'failed'") == 0);
        // Otherwise the test has shown nothing.
        CHECK(met > sources * 9 / 10);
        CHECK(one->events("memoir.reprocess.done").size() > 5);
        CHECK(two->events("memoir.reprocess.done").size() > 5);
        CHECK(schema.number("select count(*) from $schema.memoird_vectors") == 0);
    }
    std::int64_t kept() { return schema.number("select count(*) from $schema.memoird_replies"); }
    // Sets of active facts by whose they are, over all sources: "first first", where two facts are one set.
    std::string sets() {
        return schema.value(
            "select coalesce(string_agg(distinct set, ',' order by set), '') from (select m.pid, "
            "coalesce(string_agg(split_part(f.content, ' by ', 2), '+' order by f.content), 'none') as set "
            "from "
            "$schema.memories m left join $schema.memories f on f.source_pid = m.pid and f.retirement_reason "
            "is "
            "null where m.kind = 'episodic' and m.metadata->>'origin' is distinct from 'feedback' group by "
            "m.pid) s");
    }
};

}  // namespace

TEST_CASE_METHOD(Race, "two corrections of one memory at once, in two processes, leave one set of facts") {
    run(R"(('reprocess', '{"reason":"stale","feedback":"first correction","top_k":0}'),
           ('reprocess', '{"reason":"rejected","feedback":"second correction","top_k":0}'))");
    CHECK(kept() == 0);
    // Each of them wins somewhere, and nowhere is there something of both.
    CHECK(sets() == "first 1+first 2,second 1+second 2");
    CHECK(schema.number("select count(*) from $schema.memories where metadata->>'origin' = 'feedback'") ==
          2 * sources);
    // Whoever came second has retired what the other one wrote.
    CHECK(schema.number(
              "select count(*) from $schema.memories where kind = 'semantic' and content <> 'old' and "
              "retirement_reason is not null") == 2 * sources);
}

TEST_CASE_METHOD(Race,
                 "a correction beside an extract, in two processes, leaves the correction's facts alone") {
    run(R"(('extract', '{}'), ('reprocess', '{"reason":"stale","feedback":"first correction","top_k":0}'))");
    CHECK(sets() == "first 1+first 2");
    CHECK(kept() == 0);
}

TEST_CASE_METHOD(Race,
                 "a correction that leaves nothing, beside an extract in two processes, leaves nothing") {
    run(R"(('extract', '{}'), ('reprocess', '{"reason":"stale","feedback":"first correction: leave nothing","top_k":0}'))");
    CHECK(sets() == "none");
    // An extract that the correction overtook may have kept its reply after the correction cleared it away:
    // the sweep's.
    schema.sql("update $schema.memoird_replies set created_at = created_at - interval '61 minutes'");
    const auto sweeper = process();
    CHECK(eventually([&] { return kept() == 0; }));
}
