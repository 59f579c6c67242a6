#pragma once
// Classification without a second model: the nearest of five labels by the embedder that is loaded anyway.
// A label is described by a few short sentences, one a line; its vector is the mean of theirs, which speaks
// for the label better than any one of them (tests/bench/categorize.cpp has the figures). The score of a
// label is a softmax over the five cosines, so that classifier.threshold means as much as it does for the
// other provider. Thread safety: classify() from several threads.

#include <mutex>

#include "model/classifier.hpp"
#include "model/embedder.hpp"

namespace memoir::model {

// The sentences of a label: classifier.labels.LABEL where it is set, else ours.
std::string label_sentences(const ClassifierOptions& options, std::string_view label);

class EmbeddingClassifier : public Classifier {
  public:
    EmbeddingClassifier(const ClassifierOptions& options, Embedder& embedder);

    // The labels' vectors are made at the first use, again when that failed: an HTTP embedder may be away.
    std::vector<std::string> classify(std::span<const std::string> texts, std::stop_token stop) override;

  private:
    std::vector<Embedding> labels(const std::stop_token& stop);

    ClassifierOptions options_;
    Embedder& embedder_;
    std::mutex mutex_;
    std::vector<Embedding> labels_;  // empty before the first use
};

}  // namespace memoir::model
