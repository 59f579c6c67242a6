#pragma once
// What a memory is about: one of five labels. Two providers: onnx (zero-shot NLI, docs/contract.md,
// "Categorization") and embedding (nearest of five label sentences, no second model). Thread safety:
// classify() from several threads. Errors: Failure; StartError from the factory for what can never work.

#include <array>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "model/options.hpp"

namespace memoir::telemetry {
class Log;
}

namespace memoir::model {

class Embedder;

// In the order of docs/contract.md, "Categorization": of equal scores the first wins.
constexpr std::array<std::string_view, 5> categories = {"preference", "identity", "workflow", "factual",
                                                        "transient"};

class Classifier {
  public:
    virtual ~Classifier() = default;
    // One of `categories` for each text, in their order.
    virtual std::vector<std::string> classify(std::span<const std::string> texts, std::stop_token stop) = 0;
};

// The label with the highest score where that is at least `threshold`, else transient. NaN never wins.
std::string_view choose_category(std::span<const double> scores, double threshold);

// Softmax over all values, of the one at `index`; NaN where one of them is.
double softmax_of(std::span<const float> values, std::size_t index);

// `embedder` is needed for the provider embedding, and must outlive the result; `onnx` for the other one.
std::unique_ptr<Classifier> make_classifier(const ClassifierOptions& options, const OnnxOptions& onnx,
                                            Embedder* embedder, telemetry::Log& log);

}  // namespace memoir::model
