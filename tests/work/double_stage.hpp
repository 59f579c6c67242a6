#pragma once
// A stage that does what a test tells it, and an engine around it on a real PostgreSQL.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>

#include "support/postgres.hpp"
#include "support/recording_log.hpp"
#include "support/wait.hpp"
#include "work/engine.hpp"

namespace memoir::test {

// What done jobs change: one row a job in a table of the test's own, so that effects are counted and not
// rows.
class CountingEffects : public work::Effects {
  public:
    CountingEffects(std::string table, std::vector<std::int64_t> jobs, std::vector<std::string> versions = {})
        : table_(std::move(table)), jobs_(std::move(jobs)), versions_(std::move(versions)) {}
    std::string version(std::size_t member) const override {
        return versions_.empty() ? std::string() : versions_[member];
    }
    void prepare(work::Members members, std::stop_token stop) override {
        if (preparing) preparing(members, stop);
    }
    void apply(pg::Transaction& transaction, work::Members members) override {
        if (applying) applying(members);
        std::vector<std::int64_t> ids;
        for (const auto member : members) ids.push_back(jobs_[member]);
        transaction.exec("insert into " + table_ + " (job) select unnest($1::bigint[])",
                         pg::Params().array(ids));
    }
    void refused(work::Members members) override {
        if (refusing) refusing(members);
    }
    void abandoned(work::Members members) override {
        if (abandoning) abandoning(members);
    }
    std::function<void(work::Members, std::stop_token)> preparing;
    std::function<void(work::Members)> applying, refusing, abandoning;

  private:
    const std::string table_;
    const std::vector<std::int64_t> jobs_;
    const std::vector<std::string> versions_;
};

class DoubleStage : public work::Stage {
  public:
    using Work = std::function<work::Result(std::span<work::Claim>, work::Checkpoints&, std::stop_token)>;
    explicit DoubleStage(Work work) : work_(std::move(work)) {}
    work::Result run(std::span<work::Claim> claims, work::Checkpoints& checkpoints,
                     std::stop_token stop) override {
        ++runs;
        return work_(claims, checkpoints, stop);
    }
    std::atomic<int> runs{0};

  private:
    const Work work_;
};

// One engine on one schema, with one lane of one kind.
class Bench {
  public:
    explicit Bench(const std::string& kind = "embed", Cluster& cluster = Cluster::shared())
        : schema(TestSchema::With::all, cluster), kind_(kind) {
        schema.sql("create table $schema.effects (job bigint not null)");
        options.poll_interval = Milliseconds(20);
        options.retry_base = Milliseconds(50);
        options.retry_cap = Milliseconds(50);
        options.lanes = {{"lane", {kind}, 2, 8}};
        conninfo = schema.options().conninfo;
    }
    ~Bench() {
        if (engine) stop();
    }

    std::unique_ptr<CountingEffects> effects(std::span<work::Claim> claims) const {
        std::vector<std::int64_t> ids;
        for (const auto& claim : claims) ids.push_back(claim.job().id);
        return std::make_unique<CountingEffects>("\"" + schema.name() + "\".effects", ids);
    }
    work::Result done(std::span<work::Claim> claims) const {
        return {std::vector<std::optional<Failure>>(claims.size()), effects(claims)};
    }
    void start(DoubleStage::Work work) {
        stage = std::make_unique<DoubleStage>(std::move(work));
        entry.stage = stage.get();
        start_entry();
    }
    void start_entry() {
        work::EngineSettings settings;
        settings.schema = schema.name();
        settings.host = "test";
        settings.additions = additions;
        settings.duties = duties;
        settings.database = schema.options();
        settings.database.conninfo = conninfo;
        settings.database.statement_timeout = std::max(options.lease / 6, Milliseconds(250));
        settings.database.connect_timeout = settings.database.statement_timeout;
        auto pool_options = schema.options();
        pool_options.conninfo = conninfo;
        pool_options.statement_timeout = statement_timeout;
        pool = std::make_unique<pg::Pool>(pool_options, 4);
        engine = std::make_unique<work::Engine>(settings, plan(), *pool, log);
        engine->start();
    }
    // Of what options and entry say now: for a replace, too.
    work::Plan plan(std::shared_ptr<const void> backing = {}) const {
        return {options, {{kind_, entry}}, false, std::move(backing)};
    }
    work::Engine::Drained stop(bool at_once = false) {
        std::stop_source hurry;
        if (at_once) hurry.request_stop();
        const auto drained = engine->drain(hurry.get_token());
        engine.reset();
        return drained;
    }
    std::int64_t job(const std::string& content = "a") { return schema.job(schema.memory(content), kind_); }
    std::string state(std::int64_t id) {
        return schema.value(
            "select coalesce((select state || '/' || case when claimed_by = 'parked' then 'parked' when "
            "claimed_by is "
            "null then '-' else 'held' end || '/' || attempts || '/' || coalesce(failure_reason, '-') from "
            "$schema.memory_jobs where id = $1), 'gone')",
            pg::Params().add(id));
    }
    std::int64_t jobs() { return schema.number("select count(*) from $schema.memory_jobs"); }
    std::int64_t effects_of(std::int64_t id) {
        return schema.number("select count(*) from $schema.effects where job = $1", pg::Params().add(id));
    }

    TestSchema schema;
    RecordingLog log;
    work::Options options;
    work::Entry entry;
    schema::Additions additions{.pending_index = true, .pauses = true};
    std::vector<work::Duty> duties;
    std::string conninfo;
    Milliseconds statement_timeout{5'000};
    std::unique_ptr<DoubleStage> stage;
    std::unique_ptr<pg::Pool> pool;
    std::unique_ptr<work::Engine> engine;

  private:
    const std::string kind_;
};

// A gate that stages wait at: tells when somebody has come, and lets them through.
class Gate {
  public:
    // False when the stop came first.
    bool pass(const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        ++waiting_;
        changed_.notify_all();
        return changed_.wait(lock, stop, [&] { return open_; });
    }
    bool reached(int count = 1) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return waiting_ >= count; });
    }
    void open() {
        std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }

  private:
    std::mutex mutex_;
    std::condition_variable_any changed_;
    int waiting_ = 0;
    bool open_ = false;
};

}  // namespace memoir::test
