#pragma once
// The model stages on a real PostgreSQL and a real engine, with a chat model, an embedder, a classifier and
// an index that do what a test says. Contents hold SECRET: said_nothing() looks for it in every event and
// failure_reason.

#include <atomic>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

#include "endpoint/endpoint.hpp"
#include "extraction/prompt.hpp"
#include "http/client.hpp"
#include "stages/categorize.hpp"
#include "stages/embed.hpp"
#include "stages/extract.hpp"
#include "stages/relational_extract.hpp"
#include "stages/reprocess.hpp"
#include "support/http_double.hpp"
#include "work/double_stage.hpp"

namespace memoir::test {

using nlohmann::json;

// Points by pid; a test breaks or delays its calls.
class IndexDouble : public vector::Index {
  public:
    explicit IndexDouble(telemetry::Log& log) : endpoint_({"index", 0, "vector.url"}, {}, log) {}
    void prepare(std::stop_token) override {}
    pg::Effect write(std::span<const vector::Point> points, std::stop_token) override {
        run(on_write);
        std::lock_guard lock(mutex_);
        for (const auto& point : points) points_[point.pid] = point;
        return {};
    }
    pg::Effect set_category(const std::string& pid, const std::optional<std::string>& category,
                            std::stop_token) override {
        {
            std::lock_guard lock(mutex_);
            if (const auto found = points_.find(pid); found != points_.end())
                found->second.category = category;
        }
        run(on_category);
        return {};
    }
    void remove(std::span<const std::string> pids, std::stop_token) override {
        run(on_remove);
        std::lock_guard lock(mutex_);
        for (const auto& pid : pids) {
            points_.erase(pid);
            removed_.insert(pid);
        }
    }
    std::vector<vector::Hit> search(const vector::Query& query, std::stop_token) override {
        run(on_search);
        std::lock_guard lock(mutex_);
        asked = query;
        auto found = hits;
        if (found.size() > static_cast<std::size_t>(query.limit))
            found.resize(static_cast<std::size_t>(query.limit));
        return found;
    }
    void each_pid(const std::function<void(std::span<const std::string>)>&, std::stop_token) override {}
    endpoint::Endpoint* endpoint() override { return &endpoint_; }

    std::optional<vector::Point> point(const std::string& pid) {
        std::lock_guard lock(mutex_);
        const auto found = points_.find(pid);
        return found == points_.end() ? std::nullopt : std::optional(found->second);
    }
    std::set<std::string> removed() {
        std::lock_guard lock(mutex_);
        return removed_;
    }
    std::function<void()> on_write, on_category, on_remove, on_search;
    std::vector<vector::Hit> hits;  // what a search finds, best first
    vector::Query asked;

  private:
    static void run(const std::function<void()>& hook) {
        if (hook) hook();
    }
    endpoint::Endpoint endpoint_;
    std::mutex mutex_;
    std::map<std::string, vector::Point> points_;
    std::set<std::string> removed_;
};

class EmbedderDouble : public model::Embedder {
  public:
    std::vector<model::Embedding> embed(std::span<const std::string> texts, std::stop_token) override {
        if (on_embed) on_embed();
        return std::vector<model::Embedding>(texts.size(), {1, 0});
    }
    int dimension() const override { return 2; }
    const std::string& model() const override { return name_; }
    std::function<void()> on_embed;

  private:
    const std::string name_ = "double";
};

class ClassifierDouble : public model::Classifier {
  public:
    std::vector<std::string> classify(std::span<const std::string> texts, std::stop_token) override {
        ++calls;
        if (on_classify) on_classify();
        for (const auto& text : texts)
            if (text.find("poison") != std::string::npos) throw Failure(FailureType::job, "cannot");
        return std::vector<std::string>(texts.size(), "preference");
    }
    std::function<void()> on_classify;
    std::atomic<int> calls{0};
};

struct Rig {
    // What the model says to a request's body; a reply of the double's own when it is none.
    using Says = std::function<HttpReply(const json& request)>;

    explicit Rig(Says says_)
        : says(std::move(says_)),
          server([this](const HttpRequest& request) {
              if (request.body.find("ping") != std::string::npos) return reply(R"({"facts":[]})");
              ++paid;
              return says(json::parse(request.body));
          }),
          index(log) {
        options.poll_interval = Milliseconds(20);
        options.retry_base = options.retry_cap = Milliseconds(50);
        options.lanes = {{"llm", {"extract", "reprocess", "relational_extract"}, 3, 1}};
    }
    Rig() : Rig([](const json&) { return facts({"likes SECRET tea"}); }) {}
    ~Rig() { stop(); }

    static HttpReply reply(const std::string& text, const std::string& why = "stop") {
        return {200, json{{"message", {{"content", text}}},
                          {"done", true},
                          {"done_reason", why},
                          {"prompt_eval_count", 12},
                          {"eval_count", 7}}
                         .dump()};
    }
    static HttpReply facts(const std::vector<std::string>& contents) {
        json list = json::array();
        for (const auto& content : contents)
            list.push_back({{"content", content}, {"confidence", 0.9}, {"event_at", nullptr}});
        return reply(json{{"facts", list}}.dump());
    }

    void start() {
        auto pool_options = schema.options();
        pool_options.statement_timeout = Milliseconds(5'000);
        pool = std::make_unique<pg::Pool>(pool_options, 8);
        replies = std::make_unique<memory::Replies>(*pool, schema.name());
        replies->found(journal);
        model::ChatOptions chat_options;
        chat_options.url = server.url();
        chat_options.model = model;
        chat = model::make_chat(chat_options, "extraction", client, log);
        extractor = std::make_unique<stages::Extractor>(
            *chat, *replies, *pool, stages::Extractor::Settings{schema.name(), rules, categorize_configured},
            log);
        extract = std::make_unique<stages::Extract>(*extractor, log);
        relational = std::make_unique<stages::RelationalExtract>(*extractor, schema.name(), log);
        stages::Reprocess::Tools tools{extractor.get(), &embedder, &index};
        if (!llm) tools = {};
        reprocess = std::make_unique<stages::Reprocess>(tools, true, *pool, schema.name(), log);
        categorize = std::make_unique<stages::Categorize>(classifier, index, *pool, schema.name(), log);
        embed = std::make_unique<stages::Embed>(embedder, index, *pool, schema.name(), log);
        work::Registry registry;
        const auto add = [&](const std::string& kind, work::Stage* stage, bool is_paid) {
            work::Entry entry;
            entry.stage = stage;
            entry.paid = is_paid;
            if (is_paid) entry.needs = {&chat->endpoint()};
            entry.fan_in = kind == "extract" || kind == "relational_extract";
            registry[kind] = std::move(entry);
        };
        add("extract", extract.get(), true);
        add("relational_extract", relational.get(), true);
        add("reprocess", reprocess.get(), true);
        add("categorize", categorize.get(), false);
        add("embed", embed.get(), false);
        work::EngineSettings settings;
        settings.schema = schema.name();
        settings.host = "test";
        settings.additions.pending_index = settings.additions.pauses = true;
        settings.database = schema.options();
        engine =
            std::make_unique<work::Engine>(settings, work::Plan{options, registry, has_graph}, *pool, log);
        engine->start();
    }
    void stop() {
        if (!engine) return;
        std::stop_source hurry;
        hurry.request_stop();
        engine->drain(hurry.get_token());
        engine.reset();
    }
    // The job ended one way or the other: gone, or failed.
    bool ended(std::int64_t id) {
        return eventually([&] {
            return schema.number(
                       "select count(*) from $schema.memory_jobs where id = $1 and state <> 'failed'",
                       pg::Params().add(id)) == 0;
        });
    }
    bool gone(std::int64_t id) { return ended(id) && state(id) == "gone"; }
    std::string state(std::int64_t id) {
        return schema.value(
            "select coalesce((select state || '/' || attempts || '/' || coalesce(failure_reason, '-') from "
            "$schema.memory_jobs where id = $1), 'gone')",
            pg::Params().add(id));
    }
    std::int64_t jobs(const std::string& kind) {
        return schema.number("select count(*) from $schema.memory_jobs where kind = $1",
                             pg::Params().add(kind));
    }
    // Contents of what is derived from it and active, in the order of creation.
    std::string active(const std::string& pid) {
        return schema.value(
            "select coalesce(string_agg(content, '|' order by created_at), '') from $schema.memories where "
            "source_pid = $1 and retirement_reason is null",
            pg::Params().add(pid));
    }
    std::int64_t kept() { return schema.number("select count(*) from $schema.memoird_replies"); }
    std::int64_t feedbacks() {
        return schema.number("select count(*) from $schema.memories where metadata->>'origin' = 'feedback'");
    }
    std::string fact(const std::string& source, const std::string& content) {
        const auto pid = schema.memory(content, "semantic");
        schema.sql("update $schema.memories set source_pid = $2 where pid = $1",
                   pg::Params().add(pid).add(source));
        return pid;
    }
    void indexed(const std::string& pid) {
        schema.sql("update $schema.memories set qdrant_status = 'indexed' where pid = $1",
                   pg::Params().add(pid));
    }
    bool said_nothing() {
        for (const auto& event : log.events()) {
            if (event.message.find("SECRET") != std::string::npos) return false;
            for (const auto& [key, value] : event.fields)
                if (value.find("SECRET") != std::string::npos) return false;
        }
        return schema.number(
                   "select count(*) from $schema.memory_jobs where failure_reason like "
                   "'%SECRET%'") == 0;
    }

    TestSchema schema;
    RecordingLog log;
    Says says;
    std::atomic<int> paid{0};  // requests that were no probes
    HttpDouble server;
    http::Client client;
    IndexDouble index;
    EmbedderDouble embedder;
    ClassifierDouble classifier;
    work::Options options;
    std::string model = "m", rules = "SECRET rules";
    bool journal = true, llm = true, categorize_configured = false, has_graph = false;

    std::unique_ptr<pg::Pool> pool;
    std::unique_ptr<memory::Replies> replies;
    std::unique_ptr<model::Chat> chat;
    std::unique_ptr<stages::Extractor> extractor;
    std::unique_ptr<stages::Extract> extract;
    std::unique_ptr<stages::RelationalExtract> relational;
    std::unique_ptr<stages::Reprocess> reprocess;
    std::unique_ptr<stages::Categorize> categorize;
    std::unique_ptr<stages::Embed> embed;
    std::unique_ptr<work::Engine> engine;
};

}  // namespace memoir::test
