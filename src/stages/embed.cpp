#include "stages/embed.hpp"

#include <algorithm>
#include <map>

#include "endpoint/endpoint.hpp"
#include "memory/memory.hpp"
#include "stages/bisect.hpp"
#include "stages/repair.hpp"
#include "work/pg_failure.hpp"

namespace memoir::stages {

namespace {

// Of each content no more than any model can see: 512 tokens of at most some hundred characters
// (docs/architecture.md, "Embedding").
constexpr int content_limit = 65'536;
// All of it goes into the point's payload; people write kilobytes. A batch of such is still held easily.
constexpr int metadata_limit = 1 << 20;

vector::Point point(const memory::Memory& memory, model::Embedding embedding) {
    vector::Point point;
    point.pid = memory.pid;
    point.agent_id = memory.scope.agent_id;
    point.org_id = memory.scope.org_id;
    point.user_id = memory.scope.user_id;
    point.kind = memory.kind;
    point.created_at_ms = memory.created_at_ms;
    point.event_at_ms = memory.event_at_ms;
    point.confidence = memory.confidence;
    point.category = memory.category;
    point.metadata = memory.metadata;
    point.vector = std::move(embedding);
    return point;
}

}  // namespace

// The points of a batch on their way into the index and, for each, the version of the row they were made
// from.
class Embed::Write : public work::Effects {
  public:
    Write(Embed& stage, std::size_t count)
        : stage_(stage), versions_(count), points_(count), workers_(count) {}

    void add(std::size_t member, const memory::Memory& memory, model::Embedding embedding,
             const work::Claim& claim) {
        versions_[member] = memory.version;
        points_[member] = point(memory, std::move(embedding));
        workers_[member] = {claim.job().id, claim.run().worker()};
    }

    std::string version(std::size_t member) const override { return versions_[member]; }

    void prepare(work::Members members, std::stop_token stop) override {
        std::vector<vector::Point> points;
        std::map<std::string, std::size_t> seen;  // one memory may have several jobs in a batch
        for (const auto member : members)
            if (points_[member] && seen.emplace(points_[member]->pid, member).second)
                points.push_back(*points_[member]);
        // The postgres backend writes in the transaction alone: what rolls back leaves nothing behind.
        written_ = stage_.index_.endpoint() != nullptr;
        effect_ = {};
        if (points.empty()) return;
        try {
            effect_ = stage_.index_.write(points, stop);
        } catch (const Failure& failure) {
            if (failure.type() != FailureType::cancelled)
                stage_.log_.warning("memoir.embed.upsert_failed", "vectors could not be written to the index",
                                    {{"jobs", static_cast<std::int64_t>(members.size())},
                                     {"failure_type", std::string(to_string(failure.type()))},
                                     {"error", failure.reason()}});
            throw;
        }
    }

    void apply(pg::Transaction& transaction, work::Members members) override {
        if (effect_) effect_(transaction);
        std::vector<std::string> pids;
        for (const auto member : members)
            if (points_[member]) pids.push_back(points_[member]->pid);
        if (!pids.empty()) say_indexed(transaction, pids);
    }

    void committed(work::Members members) override {
        for (const auto member : members)
            if (points_[member])
                stage_.log_.debug("memoir.embed.success", "memory indexed",
                                  {{"job_id", workers_[member].first},
                                   {"source_pid", points_[member]->pid},
                                   {"worker", workers_[member].second}});
    }

    // What we wrote may not be what the memory says, or belong to none any more: a forgotten memory must not
    // come back as a vector.
    void abandoned(work::Members members) override {
        std::vector<std::string> pids;
        for (const auto member : members)
            if (points_[member]) pids.push_back(points_[member]->pid);
        if (written_) repair_points(stage_.index_, stage_.pool_, stage_.schema_, pids, stage_.log_);
    }

  private:
    void say_indexed(pg::Transaction& transaction, const std::vector<std::string>& pids) {
        try {
            memory::set_index_status(transaction, stage_.schema_, pids, "indexed");
        } catch (const pg::Error& error) {
            // Of a batch the settle finds the memory that is refused, and tries it alone.
            if (pids.size() == 1 && !work::passes_by_itself(error))
                stage_.log_.warning("memoir.embed.index_status_failed",
                                    "the database refuses to write qdrant_status",
                                    {{"source_pid", pids.front()}, {"error", std::string(error.what())}});
            throw;
        }
    }

    Embed& stage_;
    std::vector<std::string> versions_;
    std::vector<std::optional<vector::Point>> points_;  // none: nothing to index
    std::vector<std::pair<std::int64_t, std::string>> workers_;
    pg::Effect effect_;
    bool written_ = false;
};

work::Result Embed::run(std::span<work::Claim> claims, work::Checkpoints&, std::stop_token stop) {
    std::vector<std::string> pids;
    for (const auto& claim : claims) pids.push_back(claim.job().source_pid);
    std::map<std::string, memory::Memory> memories;
    {
        auto connection = pool_.acquire(stop);
        for (auto& memory : memory::load(*connection, schema_, pids, content_limit, metadata_limit + 1))
            memories.emplace(memory.pid, std::move(memory));
    }

    work::Result result;
    result.failures.resize(claims.size());
    auto effects = std::make_unique<Write>(*this, claims.size());
    std::vector<std::size_t> members;  // those with something to embed
    std::vector<std::string> texts, without;
    for (std::size_t member = 0; member < claims.size(); ++member) {
        const auto found = memories.find(claims[member].job().source_pid);
        if (found == memories.end()) {
            log_.info("memoir.embed.source_missing", "the memory was deleted before its job ran",
                      work::job_fields(claims[member]));
            without.push_back(claims[member].job().source_pid);
            continue;
        }
        // A retired memory gets no point: nothing un-retires. A superseded one keeps its own.
        if (found->second.retired) {
            without.push_back(found->first);
            continue;
        }
        if (found->second.metadata.size() > static_cast<std::size_t>(metadata_limit)) {
            result.failures[member].emplace(FailureType::permanent,
                                            "its metadata has more than 1,048,576 bytes");
            continue;
        }
        members.push_back(member);
        texts.push_back(found->second.content);
    }

    // Both may have one all the same: written by a round of ours before the memory was retired or forgotten.
    if (!without.empty()) index_.remove(without, stop);

    const auto failures = bisect(members.size(), [&](std::span<const std::size_t> part) {
        std::vector<std::string> some;
        std::vector<std::size_t> its;
        for (const auto at : part) {
            some.push_back(texts[at]);
            its.push_back(members[at]);
        }
        const endpoint::OnBehalf jobs(work::ids(claims, its));
        auto embeddings = embedder_.embed(some, stop);
        for (std::size_t at = 0; at < part.size(); ++at) {
            const auto member = members[part[at]];
            effects->add(member, memories.at(claims[member].job().source_pid), std::move(embeddings[at]),
                         claims[member]);
        }
    });
    for (std::size_t at = 0; at < members.size(); ++at) {
        if (!failures[at]) continue;
        auto fields = work::job_fields(claims[members[at]]);
        fields.push_back({"error", failures[at]->reason()});
        log_.warning("memoir.embed.embed_failed", "the text could not be embedded", std::move(fields));
        result.failures[members[at]] = failures[at];
    }
    result.effects = std::move(effects);
    return result;
}

void Embed::when_failed(pg::Transaction& transaction, const std::string& schema,
                        std::span<const std::string> source_pids) {
    memory::set_index_status(transaction, schema, source_pids, "failed");
}

}  // namespace memoir::stages
