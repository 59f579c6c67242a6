#pragma once
// extract: what was said becomes facts (docs/contract.md, "Extraction"). The model is called before the
// transaction; facts, their jobs, the end of this job and the fan-in are one transaction, in which what was
// read is compared with what stands there. Thread safety: run() from several loops.

#include "stages/extractor.hpp"
#include "work/stage.hpp"

namespace memoir::stages {

class Extract : public work::Stage {
  public:
    Extract(Extractor& extractor, telemetry::Log& log) : extractor_(extractor), log_(log) {}
    work::Result run(std::span<work::Claim> claims, work::Checkpoints& checkpoints,
                     std::stop_token stop) override;

  private:
    class Store;
    void one(work::Claim& claim, std::size_t member, Store& effects, const std::stop_token& stop);
    Extractor& extractor_;
    telemetry::Log& log_;
};

}  // namespace memoir::stages
