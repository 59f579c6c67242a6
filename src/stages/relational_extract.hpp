#pragma once
// relational_extract: what was said becomes triples, staged for the graph (docs/contract.md, "Graph"). The
// model is called before the transaction; the staged row, the end of this job and the fan-in are one
// transaction, in which what was read is compared with what stands there. Thread safety: run() from several
// loops.

#include "stages/extractor.hpp"
#include "work/stage.hpp"

namespace memoir::stages {

class RelationalExtract : public work::Stage {
  public:
    RelationalExtract(Extractor& extractor, std::string schema, telemetry::Log& log)
        : extractor_(extractor), schema_(std::move(schema)), log_(log) {}
    work::Result run(std::span<work::Claim> claims, work::Checkpoints& checkpoints,
                     std::stop_token stop) override;

  private:
    class Store;
    void one(work::Claim& claim, std::size_t member, Store& effects, const std::stop_token& stop);
    Extractor& extractor_;
    const std::string schema_;
    telemetry::Log& log_;
};

}  // namespace memoir::stages
