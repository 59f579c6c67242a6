#include "stages/reprocess.hpp"

#include <algorithm>

#include "base/failpoint.hpp"
#include "base/random_id.hpp"
#include "endpoint/endpoint.hpp"
#include "queue/fan_in.hpp"
#include "work/pg_failure.hpp"

namespace memoir::stages {

namespace {
// As for embed: more than any embedding model sees.
constexpr int content_limit = 65'536;
// How often a member starts over because it changed under the work.
constexpr int most_rounds = 5;

// A host that has less configured than the one which began this correction leaves the rest to that one.
Failure begun_elsewhere() {
    return {FailureType::outage,
            "the rest of the correction needs a model and an index that this host lacks"};
}

class NoEffects : public work::Effects {
  public:
    void apply(pg::Transaction&, work::Members) override {}
};
}  // namespace

struct Reprocess::Job {
    work::Claim& claim;
    work::Checkpoints& checkpoints;
    const std::stop_token& stop;
    Correction correction;

    std::vector<telemetry::Field> fields() const { return work::job_fields(claim); }
};

class Reprocess::StoreFeedback : public work::Effects {
  public:
    StoreFeedback(const std::string& schema, const memory::Scope& scope, std::string pid, std::string content)
        : schema_(schema), scope_(scope), pid_(std::move(pid)), content_(std::move(content)) {}
    void apply(pg::Transaction& transaction, work::Members) override {
        memory::insert_feedback(transaction, schema_, scope_, pid_, content_);
    }

  private:
    const std::string& schema_;
    const memory::Scope& scope_;
    const std::string pid_, content_;
};

// A member's old facts retired, its new ones written.
class Reprocess::Replace : public work::Effects {
  public:
    Replace(Reprocess& stage, Job& job, const Reading& reading, const Extractor::Paid& paid)
        : stage_(stage), job_(job), reading_(reading), paid_(paid) {}

    void apply(pg::Transaction& transaction, work::Members) override {
        failpoint("reprocess.replacing");
        const auto& pid = reading_.source.pid;
        const auto& schema = stage_.schema_;
        // The settle has locked the job's own source; this is another memory more often than not.
        if (memory::lock(transaction, schema, std::span(&pid, 1)).empty()) {
            if (memory::existing(transaction, schema, std::span(&pid, 1)).empty()) throw work::Changed({0});
            throw pg::Error(pg::ErrorClass::transaction, "55P03", "the memory is locked");
        }
        if (!stage_.tools_.extractor->still(transaction, reading_)) throw work::Changed({0});
        const auto retired = memory::retire_derived(transaction, schema, pid, job_.correction.reason);
        if (retired != expected()) throw work::Changed({0});
        failpoint("reprocess.retired");
        stage_.tools_.extractor->store(transaction, reading_.source, paid_);
        stage_.tools_.extractor->replies().remove(transaction, paid_.key);
        failpoint("reprocess.stored");
        if (!paid_.facts.empty()) return;
        // No row of ours tells an older extract that it comes too late.
        queue::remove_older_extracts(transaction, schema, pid, job_.claim.job().position);
        stage_.tools_.extractor->replies().remove_all(transaction, pid, "extract");
        if (stage_.fan_in_) queue::enqueue_synthesize(transaction, schema, std::span(&pid, 1));
    }

    void refused(work::Members) override { stage_.tools_.extractor->replies().reject(paid_.key); }

    // What the payload says is retired must be what is.
    std::vector<std::string> expected() const {
        std::vector<std::string> active;
        for (const auto& row : reading_.derived)
            if (row.active) active.push_back(row.pid);
        return active;
    }

  private:
    Reprocess& stage_;
    Job& job_;
    const Reading& reading_;
    const Extractor::Paid& paid_;
};

// The payload in hand is what the row says only once the checkpoint stands.
void Reprocess::save(Job& job, work::Effects& effects, const Correction::Progress& progress) {
    job.checkpoints.checkpoint(job.claim, with_progress(job.claim.job().payload, progress), effects);
    job.correction.progress = progress;
}

// Nobody else would ever remove these points, and they use up places in searches.
void Reprocess::evict(Job& job) {
    const auto& retired = job.correction.progress.retired;
    if (retired.empty()) return;
    if (!tools_.index) throw begun_elsewhere();
    const auto failed = [&](const std::string& error) {
        auto fields = job.fields();
        fields.push_back({"points", static_cast<std::int64_t>(retired.size())});
        fields.push_back({"error", error});
        log_.warning("memoir.retire.index_delete_failed",
                     "points of retired memories could not be deleted; the retry deletes them",
                     std::move(fields));
    };
    try {
        failpoint("reprocess.evicting");
        tools_.index->remove(retired, job.stop);
        failpoint("reprocess.evicted");
    } catch (const Failure& failure) {
        failed(failure.reason());
        throw;
    } catch (const pg::Error& error) {
        failed(error.what());
        throw;
    }
    auto fields = job.fields();
    fields.push_back({"points", static_cast<std::int64_t>(retired.size())});
    log_.info("memoir.retire.success", "points of retired memories deleted", std::move(fields));
}

void Reprocess::store_feedback(Job& job, const memory::Memory& source) {
    auto progress = job.correction.progress;
    if (!job.correction.feedback || !progress.feedback_pid.empty()) return;
    progress.feedback_pid = random_pid();
    StoreFeedback effects(schema_, source.scope, progress.feedback_pid, *job.correction.feedback);
    save(job, effects, progress);
}

std::vector<std::string> Reprocess::neighbourhood(Job& job, const memory::Memory& source) {
    const auto& correction = job.correction;
    std::vector<std::string> members;
    if (source.active()) members.push_back(source.pid);
    if (correction.top_k == 0) return members;

    const std::string& text = correction.feedback ? *correction.feedback : source.content;
    // A source without agent or organisation is corrected across them; each member keeps its own.
    const auto seen = memory::seen_from(source.scope);
    vector::Query query;
    query.agent_id = seen.agent_id;
    query.org_id = seen.org_id;
    query.user_id = source.scope.user_id;
    query.kind = "episodic";
    query.vector = std::move(tools_.embedder->embed(std::span(&text, 1), job.stop).front());
    // The feedback's own memory may be indexed by now: it takes no member's place.
    const auto& feedback_pid = correction.progress.feedback_pid;
    query.limit = correction.top_k + (feedback_pid.empty() ? 0 : 1);
    query.score_above = correction.min_similarity;
    std::vector<std::string> near;
    for (auto& hit : tools_.index->search(query, job.stop))
        if (hit.pid != feedback_pid && near.size() < static_cast<std::size_t>(correction.top_k))
            near.push_back(std::move(hit.pid));

    auto connection = pool_.acquire(job.stop);
    const auto rows = memory::load(*connection, schema_, near, 0);
    for (const auto& pid : near) {
        const auto row =
            std::find_if(rows.begin(), rows.end(), [&](const auto& memory) { return memory.pid == pid; });
        const bool fits = row != rows.end() && row->active() && row->qdrant_status == "indexed" &&
                          row->kind == "episodic" && seen.matches(row->scope);
        if (fits && std::find(members.begin(), members.end(), pid) == members.end()) members.push_back(pid);
    }
    return members;
}

// nullopt: a neighbour that the model will never take. It keeps its facts, and holds up nobody behind it.
std::optional<Extractor::Paid> Reprocess::ask(Job& job, const memory::Memory& source) {
    try {
        return tools_.extractor->facts(job.claim, source, job.correction.feedback, job.stop);
    } catch (const Failure& failure) {
        const bool for_good = failure.type() == FailureType::permanent && !endpoint::is_unconfirmed(failure);
        if (!for_good || source.pid == job.claim.job().source_pid) throw;
        auto fields = job.fields();
        fields.push_back({"memory_pid", source.pid});
        fields.push_back({"error", failure.reason()});
        log_.warning("memoir.reprocess.retire_failed", "a neighbouring memory was left unchanged",
                     std::move(fields));
        return std::nullopt;
    }
}

void Reprocess::member(Job& job, const std::string& pid) {
    auto progress = job.correction.progress;
    progress.members->erase(progress.members->begin());
    progress.retired.clear();
    for (int round = 1; round <= most_rounds; ++round) {
        const auto reading = tools_.extractor->read(pid, job.stop);
        // None: forgotten, retired or superseded since it was frozen, or left as it is.
        const auto paid = reading && reading->source.active() ? ask(job, reading->source) : std::nullopt;
        if (!paid) {
            NoEffects none;
            save(job, none, progress);
            return;
        }
        Replace effects(*this, job, *reading, *paid);
        progress.retired = effects.expected();
        try {
            save(job, effects, progress);
        } catch (const work::Changed&) {
            continue;
        } catch (const pg::Error& error) {
            auto fields = job.fields();
            fields.push_back({"memory_pid", pid});
            fields.push_back({"error", std::string(error.what())});
            log_.warning("memoir.reprocess.retire_failed", "the facts of a memory could not be replaced",
                         std::move(fields));
            throw;
        }
        evict(job);
        return;
    }
    throw Failure(FailureType::job,
                  "the memory changed " + std::to_string(most_rounds) + " times while it was worked on");
}

void Reprocess::one(Job& job) {
    failpoint("reprocess.begun");
    evict(job);
    const auto& source_pid = job.claim.job().source_pid;
    std::vector<memory::Memory> found;
    {
        auto connection = pool_.acquire(job.stop);
        found = memory::load(*connection, schema_, std::span(&source_pid, 1), content_limit);
    }
    if (found.empty())
        return log_.info("memoir.reprocess.source_missing", "the memory was deleted before its job ran",
                         job.fields());
    const auto& source = found.front();
    const auto done = [&](const char* message, std::int64_t members) {
        auto fields = job.fields();
        fields.push_back({"members", members});
        log_.info("memoir.reprocess.done", message, std::move(fields));
    };
    if (source.retired) return done("the memory is retired; nothing to correct", 0);
    log_.debug("memoir.reprocess.started", "applying a correction", job.fields());
    store_feedback(job, source);
    if (!tools_.extractor) {
        const auto& members = job.correction.progress.members;
        if (members && !members->empty()) throw begun_elsewhere();
        return done("feedback stored; no extraction model is configured on this host", 0);
    }

    if (!job.correction.progress.members) {
        auto progress = job.correction.progress;
        progress.members = neighbourhood(job, source);
        failpoint("reprocess.neighbours_found");
        NoEffects none;
        save(job, none, progress);
        auto fields = job.fields();
        fields.push_back({"members", static_cast<std::int64_t>(progress.members->size())});
        log_.info("memoir.reprocess.neighborhood", "extracting the neighbourhood of the correction again",
                  std::move(fields));
    }
    std::int64_t members = 0;
    for (; !job.correction.progress.members->empty(); ++members)
        member(job, std::string(job.correction.progress.members->front()));
    done("correction applied", members);
}

work::Result Reprocess::run(std::span<work::Claim> claims, work::Checkpoints& checkpoints,
                            std::stop_token stop) {
    work::Result result;
    result.failures.resize(claims.size());
    for (std::size_t at = 0; at < claims.size(); ++at) {
        const endpoint::OnBehalf whose({claims[at].job().id});
        try {
            Job job{claims[at], checkpoints, stop, read_correction(claims[at].job().payload)};
            one(job);
        } catch (const Failure& failure) {
            result.failures[at] = failure;
        } catch (const pg::Error& error) {
            if (work::passes_by_itself(error)) throw;
            result.failures[at] = work::to_failure(error);
        }
    }
    return result;
}

}  // namespace memoir::stages
