#pragma once
// What the tests of chat servers share: many memories that wait for one, and attempts that are counted.

#include "support/chat_double.hpp"
#include "support/wait.hpp"
#include "system/queue_fixture.hpp"

namespace memoir::test {

using Settings = std::map<std::string, std::string>;

struct ChatFixture {
    TestSchema schema;
    EmbeddingDouble embedder;
    ChatDouble chat;

    ChatFixture() {
        count_effects(schema);
        // Nothing to store: the calls are what is watched.
        chat.says([this](const std::string&, const HttpRequest&) { return chat.facts({}); });
    }
    // Memories e1 … eN, each with a job.
    void wait_for(const std::string& kind, int rows, const std::string& prefix = "e") {
        schema.sql(
            "insert into $schema.memories (pid, agent_id, org_id, user_id, content) select $2 || i, 'a', "
            "'o', "
            "'u', '[[' || $2 || i || ']] said something' from generate_series(1, $1::integer) i",
            pg::Params().add(rows).add(prefix));
        schema.sql(
            "insert into $schema.memory_jobs (source_pid, kind) select pid, $2 from $schema.memories where "
            "starts_with(pid, $1)",
            pg::Params().add(prefix).add(kind));
    }
    std::int64_t left(const std::string& kind) {
        return schema.number("select count(*) from $schema.memory_jobs where kind = $1",
                             pg::Params().add(kind));
    }
    std::int64_t attempts() { return schema.number("select count(*) from $schema.attempts"); }

    Memoird::Options options(Settings more = {}) {
        return {.settings = quick(chat.settings() +
                                  Settings{{"lanes.llm.kinds", "[\"extract\"]"},
                                           {"lanes.llm.loops", "8"},
                                           {"lanes.llm.batch", "1"},
                                           {"lanes.embed.kinds", "[\"embed\"]"},
                                           {"lanes.embed.loops", "1"},
                                           {"lanes.embed.batch", "32"},
                                           {"extraction.max_concurrent", "8"}} +
                                  std::move(more))};
    }
};

}  // namespace memoir::test
