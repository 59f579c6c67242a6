#pragma once
// embed: a memory's content becomes a vector in the index (docs/contract.md, "Vector index" and "3.
// Embedding"). Of a batch the memories are loaded in one query, embedded together, written to the index in
// one request, and settled in one transaction, which says `indexed` for each. A text that cannot be embedded
// is found by halving; the others are indexed. Thread safety: run() from several loops.

#include <string>

#include "model/embedder.hpp"
#include "pg/pool.hpp"
#include "telemetry/log.hpp"
#include "vector/index.hpp"
#include "work/stage.hpp"

namespace memoir::stages {

class Embed : public work::Stage {
  public:
    Embed(model::Embedder& embedder, vector::Index& index, pg::Pool& pool, std::string schema,
          telemetry::Log& log)
        : embedder_(embedder), index_(index), pool_(pool), schema_(std::move(schema)), log_(log) {}

    work::Result run(std::span<work::Claim> claims, work::Checkpoints& checkpoints,
                     std::stop_token stop) override;

    // What jobs that end `failed` leave behind: qdrant_status `failed`. The sources are locked.
    static void when_failed(pg::Transaction& transaction, const std::string& schema,
                            std::span<const std::string> source_pids);

  private:
    class Write;
    model::Embedder& embedder_;
    vector::Index& index_;
    pg::Pool& pool_;
    const std::string schema_;
    telemetry::Log& log_;
};

}  // namespace memoir::stages
