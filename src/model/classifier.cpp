#include "model/classifier.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/failure.hpp"
#include "model/classifier_embedding.hpp"
#include "model/nli_classifier.hpp"
#include "telemetry/log.hpp"

namespace memoir::model {

std::string_view choose_category(std::span<const double> scores, double threshold) {
    std::size_t best = scores.size();
    for (std::size_t i = 0; i < scores.size(); ++i)
        if (scores[i] >= threshold && (best == scores.size() || scores[i] > scores[best])) best = i;
    return best < categories.size() ? categories[best] : categories.back();
}

double softmax_of(std::span<const float> values, std::size_t index) {
    double most = -std::numeric_limits<double>::infinity(), sum = 0;
    for (const double value : values) most = std::max(most, value);
    for (const double value : values) sum += std::exp(value - most);
    return std::exp(static_cast<double>(values[index]) - most) / sum;
}

std::unique_ptr<Classifier> make_classifier(const ClassifierOptions& options, const OnnxOptions& onnx,
                                            Embedder* embedder, telemetry::Log& log) {
    if (options.provider == "embedding") {
        if (!embedder)
            throw StartError("classifier.provider is embedding, and no embedder is configured",
                             "configure [embedding], or classifier.provider = \"onnx\"");
        return std::make_unique<EmbeddingClassifier>(options, *embedder);
    }
    if (options.provider != "onnx")
        throw StartError("unknown classifier in classifier.provider", "onnx or embedding");
    auto classifier = std::make_unique<NliClassifier>(options, onnx);
    log.info("memoir.nli.loaded", "classifier loaded from " + options.model_dir,
             {{"runtime", classifier->runtime_version()},
              {"max_tokens", static_cast<std::int64_t>(classifier->max_tokens())},
              {"entailment_index", static_cast<std::int64_t>(classifier->entailment_index())}});
    return classifier;
}

}  // namespace memoir::model
