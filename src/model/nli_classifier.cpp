#include "model/nli_classifier.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/failure.hpp"

namespace memoir::model {

namespace {

constexpr const char* hint = "classifier.model_dir must hold a zero-shot NLI model: model.onnx and spm.model";

std::string in(const ClassifierOptions& options, const char* name) {
    return (std::filesystem::path(options.model_dir) / name).string();
}

bool is_entailment(const nlohmann::json& label) {
    if (!label.is_string()) return false;
    auto text = label.get<std::string>();
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return text == "entailment";
}

std::optional<std::size_t> index_of(const std::string& text) {
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

}  // namespace

std::size_t read_entailment_index(const std::string& config_json) {
    std::ifstream file(config_json, std::ios::binary);
    const auto root = file ? nlohmann::json::parse(file, nullptr, false) : nlohmann::json();
    if (!root.is_object()) return 0;
    const auto labels = root.value("id2label", nlohmann::json()),
               ids = root.value("label2id", nlohmann::json());
    if (labels.is_object())
        for (const auto& [id, label] : labels.items())
            if (const auto index = index_of(id); index && is_entailment(label)) return *index;
    if (ids.is_object())
        for (const auto& [label, id] : ids.items())
            if (is_entailment(label) && id.is_number_unsigned()) return id.get<std::size_t>();
    return 0;
}

NliClassifier::NliClassifier(const ClassifierOptions& options, const OnnxOptions& onnx)
    : options_(options),
      tokenizer_(in(options, "spm.model")),
      runtime_(OnnxRuntime::open(onnx)),
      session_(runtime_, in(options, "model.onnx")),
      truncation_(read_truncation(in(options, "tokenizer.json")).value_or(Truncation{})),
      entailment_(read_entailment_index(in(options, "config.json"))) {
    find_shape(in(options, "model.onnx"));
    for (std::size_t i = 0; i < categories.size(); ++i)
        hypotheses_[i] = tokenizer_.encode("This memory is about a " + std::string(categories[i]) + ".");
    std::size_t outputs = 0;
    try {
        outputs = logits("word", categories[0]).size();
    } catch (const Failure& failure) {
        throw StartError("the classifier's model does not run: " + failure.reason(), hint);
    }
    if (entailment_ >= outputs)
        throw StartError("config.json names output " + std::to_string(entailment_) + " of a model that has " +
                             std::to_string(outputs),
                         hint);
}

// By position: ids, mask, and where there is a third input the token types, which DeBERTa-v3 does not use.
void NliClassifier::find_shape(const std::string& file) {
    const auto& inputs = session_.inputs();
    const auto is_ids = [](const OnnxPort& port) {
        return port.type == OnnxPort::Type::int64 && port.shape.size() == 2;
    };
    if (inputs.size() < 2 || inputs.size() > 3 || !std::all_of(inputs.begin(), inputs.end(), is_ids) ||
        session_.outputs().empty())
        throw StartError(file + " does not take input_ids and attention_mask", hint);
    if (const auto length = inputs[0].shape[1]; length > 0) {
        fixed_length_ = static_cast<std::size_t>(length);
        truncation_.max_length = std::min(truncation_.max_length, fixed_length_);
    }
}

std::vector<float> NliClassifier::run(TokenIds ids) const {
    TokenIds mask(ids.size(), 1);
    const auto length = std::max(ids.size(), fixed_length_);
    ids.resize(length, 0);
    mask.resize(length, 0);
    const TokenIds types(length, 0);
    std::vector<const std::int64_t*> inputs;
    for (std::size_t i = 0, named = 0; i < session_.inputs().size(); ++i) {
        const bool is_types = session_.inputs()[i].name.find("type") != std::string::npos;
        inputs.push_back(is_types || named > 1 ? types.data() : named == 0 ? ids.data() : mask.data());
        if (!is_types) ++named;
    }
    const auto output = session_.run(1, static_cast<std::int64_t>(length), inputs);
    const auto values = output.values();
    if (values.empty()) throw Failure(FailureType::job, "the classifier's model gave no scores");
    return {values.begin(), values.end()};
}

std::vector<float> NliClassifier::logits(std::string_view text, std::string_view label) const {
    return run(join_pair(tokenizer_.encode(text),
                         tokenizer_.encode("This memory is about a " + std::string(label) + "."),
                         truncation_));
}

std::vector<std::string> NliClassifier::classify(std::span<const std::string> texts, std::stop_token stop) {
    std::vector<std::string> result;
    for (const auto& text : texts) {
        const auto premise = tokenizer_.encode(text);
        std::array<double, categories.size()> scores;
        for (std::size_t i = 0; i < categories.size(); ++i) {
            if (stop.stop_requested()) throw Failure(FailureType::cancelled, "categorize was cancelled");
            scores[i] = softmax_of(run(join_pair(premise, hypotheses_[i], truncation_)), entailment_);
        }
        result.emplace_back(choose_category(scores, options_.threshold));
    }
    return result;
}

}  // namespace memoir::model
