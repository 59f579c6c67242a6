#pragma once
// categorize: what a fact is about (docs/contract.md, "Categorization"). The label goes to the row and to
// the point: the point's before the commit, and again when the row turns out under the lock to be another
// version, so that embed and categorize each see the other's result, whatever their order. Thread safety:
// run() from several loops.

#include <string>

#include "model/classifier.hpp"
#include "pg/pool.hpp"
#include "telemetry/log.hpp"
#include "vector/index.hpp"
#include "work/stage.hpp"

namespace memoir::stages {

class Categorize : public work::Stage {
  public:
    Categorize(model::Classifier& classifier, vector::Index& index, pg::Pool& pool, std::string schema,
               telemetry::Log& log)
        : classifier_(classifier), index_(index), pool_(pool), schema_(std::move(schema)), log_(log) {}

    work::Result run(std::span<work::Claim> claims, work::Checkpoints& checkpoints,
                     std::stop_token stop) override;

  private:
    class Label;
    model::Classifier& classifier_;
    vector::Index& index_;
    pg::Pool& pool_;
    const std::string schema_;
    telemetry::Log& log_;
};

}  // namespace memoir::stages
