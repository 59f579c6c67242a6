#pragma once
// reprocess: after a correction the source and what is near it are extracted again (docs/contract.md,
// "Reprocess"). The feedback becomes a memory; the neighbourhood is frozen; then, member by member, the old
// facts are retired and the new ones written in one transaction, and the points of the retired removed. Each
// of these is a checkpoint in the job's payload: a retry repeats none that stands, and first removes points
// that are still listed. Thread safety: run() from several loops.

#include "model/embedder.hpp"
#include "stages/correction.hpp"
#include "stages/extractor.hpp"
#include "vector/index.hpp"
#include "work/stage.hpp"

namespace memoir::stages {

class Reprocess : public work::Stage {
  public:
    // What finds neighbours and extracts them. Null where no extraction model is configured and such jobs are
    // completed: the feedback is stored, and nothing is retired.
    struct Tools {
        Extractor* extractor = nullptr;
        model::Embedder* embedder = nullptr;
        vector::Index* index = nullptr;
    };
    Reprocess(Tools tools, bool fan_in, pg::Pool& pool, std::string schema, telemetry::Log& log)
        : tools_(tools), fan_in_(fan_in), pool_(pool), schema_(std::move(schema)), log_(log) {}

    work::Result run(std::span<work::Claim> claims, work::Checkpoints& checkpoints,
                     std::stop_token stop) override;

  private:
    struct Job;  // one claim on its way
    class StoreFeedback;
    class Replace;
    void one(Job& job);
    void store_feedback(Job& job, const memory::Memory& source);
    std::vector<std::string> neighbourhood(Job& job, const memory::Memory& source);
    void member(Job& job, const std::string& pid);
    std::optional<Extractor::Paid> ask(Job& job, const memory::Memory& source);
    void evict(Job& job);
    void save(Job& job, work::Effects& effects, const Correction::Progress& progress);

    const Tools tools_;
    const bool fan_in_;
    pg::Pool& pool_;
    const std::string schema_;
    telemetry::Log& log_;
};

}  // namespace memoir::stages
