#pragma once
// A memoird with something of everything that its status page shows: jobs that run, wait, are parked and
// failed, a breaker that is open, a kind that is paused, one that is left to others, and a model whose name
// was made to break a page. Thread safety: one thread at a time.

#include <catch2/catch.hpp>
#include <latch>

#include "support/guarded.hpp"
#include "support/wait.hpp"
#include "system/queue_fixture.hpp"

namespace memoir::test {

class PageScene {
  public:
    static constexpr const char* content = "Zwiebelkuchen4711";
    static constexpr const char* hostile = "<script>document.title='broken'</script>";

    explicit PageScene(std::map<std::string, std::string> more = {}) {
        embedder_.before([this](const HttpRequest& request) {
            const auto has = [&](const char* text) { return request.body.find(text) != std::string::npos; };
            if (has("bad text")) return HttpReply{.status = 400, .body = "{\"error\": \"no\"}"};
            if (has("poison")) return HttpReply{.status = 500, .body = "{\"error\": \"no\"}"};
            if (has("slow")) release_.wait();
            return HttpReply{};
        });
        std::map<std::string, std::string> settings = {
            {"metrics.listen", "\"127.0.0.1:" + std::to_string(port_) + "\""},
            {"worker.retry_base", "\"10m\""},
            {"embedding.timeout", "\"10m\""},
            {"lanes.embed.kinds", "[\"embed\"]"},
            {"lanes.embed.loops", "3"},
            {"lanes.embed.batch", "8"},
            {"lanes.llm.kinds", "[\"extract\", \"reprocess\", \"relational_extract\"]"},
            {"lanes.llm.loops", "8"},
            {"lanes.derive.kinds", "[\"categorize\", \"synthesize\"]"},
            {"extraction.provider", "\"openai\""},
            {"extraction.url", "\"" + model_.url() + "\""},
            {"extraction.model", "\"" + std::string(hostile) + "\""}};
        memoird_ =
            std::make_unique<Memoird>(schema_, embedder_, Memoird::Options{.settings = settings + more});
    }
    ~PageScene() { release(); }

    // Until all of it is there; tells what memoird said when it does not come.
    bool set() {
        const bool done = try_to_set();
        if (!done) WARN(memoird_->log());
        return done;
    }
    // What runs ends.
    void release() {
        if (!std::exchange(released_, true)) release_.count_down();
    }

    // A loop that is at work, as "embed.1": two of three are, and nobody knows which.
    std::string worker() {
        return schema_.value(
            "select substring(claimed_by from '[^/.]+[.][0-9]+(?=[.][0-9]+$)') from $schema.memory_jobs "
            "where "
            "state = 'claimed' and claimed_by <> 'parked' order by id limit 1");
    }
    TestSchema& schema() { return schema_; }
    Memoird& memoird() { return *memoird_; }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
    int port() const { return port_; }

  private:
    bool try_to_set() {
        if (!memoird_->ready()) return false;
        remember("bad text");
        remember("poison");
        if (!eventually([&] { return rows("state = 'failed'") == 1 && rows("claimed_by = 'parked'") == 1; }))
            return false;
        // In one transaction: each of the two claims that take them finds them all.
        for (int i = 0; i < 11; ++i) schema_.memory(std::string("slow ") + content);
        schema_.sql(
            "insert into $schema.memory_jobs (source_pid, kind) select pid, 'embed' from $schema.memories "
            "where "
            "content like 'slow %'");
        if (!eventually([&] { return rows("state = 'claimed' and claimed_by <> 'parked'") == 11; }))
            return false;
        for (const char* kind : {"extract", "extract", "categorize", "reprocess"})
            schema_.job(schema_.memory(content), kind, R"({"reason": "stale"})");
        schema_.sql(
            "update $schema.memory_jobs set created_at = now() - interval '3 hours' where kind = 'extract'");
        schema_.sql("insert into $schema.memoird_pauses (kind, paused_by) values ('reprocess', 'somebody')");
        return memoird_->process().wrote("memoir.fleet.paused");
    }
    void remember(const std::string& text) { schema_.job(schema_.memory(text + " " + content), "embed"); }
    std::int64_t rows(const std::string& condition) {
        return schema_.number("select count(*) from $schema.memory_jobs where " + condition);
    }

    TestSchema schema_;
    std::latch release_{1};
    bool released_ = false;
    HttpDouble model_{[](const HttpRequest&) { return HttpReply{.status = 401, .body = "{\"error\": {}}"}; }};
    EmbeddingDouble embedder_;
    const int port_ = free_port();
    std::unique_ptr<Memoird> memoird_;
};

}  // namespace memoir::test
