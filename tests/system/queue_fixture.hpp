#pragma once
// What the tests of this folder share: many rows, and effects that are counted.

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "support/memoird.hpp"
#include "support/wait.hpp"

namespace memoir::test {

// Counts each write of a vector as an effect, whatever becomes of rows, and each attempt that is counted with
// its reason. With sequences of no names: a rolled back write leaves nothing.
inline void count_effects(TestSchema& schema) {
    schema.sql("create table $schema.effects (pid text not null)");
    schema.sql(
        "create function $schema.count_effect() returns trigger language plpgsql as 'begin insert into \"" +
        schema.name() + "\".effects values (new.pid); return new; end'");
    schema.sql(
        "create trigger count_effect after insert or update on $schema.memoird_vectors for each row execute "
        "function $schema.count_effect()");
    schema.sql("create table $schema.attempts (job bigint, attempts integer, reason text)");
    schema.sql(
        "create function $schema.count_attempt() returns trigger language plpgsql as 'begin if new.attempts "
        "> "
        "old.attempts then insert into \"" +
        schema.name() +
        "\".attempts values (new.id, new.attempts, new.failure_reason); end if; return new; end'");
    schema.sql(
        "create trigger count_attempt after update on $schema.memory_jobs for each row execute function "
        "$schema.count_attempt()");
}

// Memories m1 … mN of scope (a, o, u), each with an embed job.
inline void fill(TestSchema& schema, int rows, const std::string& prefix = "m") {
    schema.sql(
        "insert into $schema.memories (pid, agent_id, org_id, user_id, content) select $2 || i, 'a', 'o', "
        "'u', "
        "'text ' || i from generate_series(1, $1::integer) i",
        pg::Params().add(rows).add(prefix));
    schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind, payload) select pid, 'embed', '{\"origin\": "
        "\"remember\"}' from $schema.memories where starts_with(pid, $1)",
        pg::Params().add(prefix));
}

// Every memory was indexed, with exactly one effect each, and no job is left.
struct Outcome {
    std::int64_t jobs, memories, indexed, effects, distinct;
    bool exactly_once() const {
        return jobs == 0 && indexed == memories && effects == memories && distinct == memories;
    }
};
inline Outcome outcome(TestSchema& schema) {
    return {schema.number("select count(*) from $schema.memory_jobs"),
            schema.number("select count(*) from $schema.memories"),
            schema.number("select count(*) from $schema.memories where qdrant_status = 'indexed'"),
            schema.number("select count(*) from $schema.effects"),
            schema.number("select count(distinct pid) from $schema.effects")};
}
#define CHECK_EXACTLY_ONCE(schema)                                                    \
    do {                                                                              \
        const auto seen = outcome(schema);                                            \
        CAPTURE(seen.jobs, seen.memories, seen.indexed, seen.effects, seen.distinct); \
        CHECK(seen.exactly_once());                                                   \
    } while (false)

// Attempts that were counted for another reason than a holder's death.
inline std::int64_t unjust_attempts(TestSchema& schema) {
    return schema.number(
        "select count(*) from $schema.attempts where reason is null or not starts_with(reason, "
        "'holder died: ')");
}

// A lease short enough for a test: heartbeats every 700 ms.
inline std::map<std::string, std::string> quick(std::map<std::string, std::string> more = {}) {
    std::map<std::string, std::string> settings{{"database.statement_timeout", "\"1s\""},
                                                {"worker.lease", "\"2100ms\""},
                                                {"worker.retry_base", "\"100ms\""},
                                                {"worker.retry_cap", "\"1s\""},
                                                {"log.level", "\"info\""}};
    for (auto& [key, value] : more) settings[key] = value;
    return settings;
}

// One lane for embed with so many loops and jobs a batch.
inline std::map<std::string, std::string> embed_lane(int loops, int batch) {
    return {{"lanes.embed.kinds", "[\"embed\"]"},
            {"lanes.embed.loops", std::to_string(loops)},
            {"lanes.embed.batch", std::to_string(batch)}};
}

inline std::map<std::string, std::string> operator+(std::map<std::string, std::string> a,
                                                    const std::map<std::string, std::string>& b) {
    for (const auto& [key, value] : b) a[key] = value;
    return a;
}

// Embedding waits in here until it is let go.
class EmbeddingGate {
  public:
    explicit EmbeddingGate(EmbeddingDouble& embedder) {
        embedder.before([this](const HttpRequest& request) {
            if (request.body.find("text ") != std::string::npos) {
                ++waiting;
                eventually([&] { return open.load(); }, std::chrono::minutes(2));
            }
            return HttpReply{};
        });
    }
    bool reached() const {
        return eventually([&] { return waiting > 0; });
    }
    std::atomic<bool> open = false;
    std::atomic<int> waiting = 0;
};

}  // namespace memoir::test
