#pragma once
// Zero-shot classification by natural language inference: does the content entail "This memory is about a
// LABEL."? One pair a run: the scores of int8 models change with what shares a batch. Thread safety:
// classify() and logits() from several threads. Errors: Failure(job) when a run fails, outage when memory is
// short, StartError when the files are not there or are no such model.

#include "model/classifier.hpp"
#include "model/deberta_tokenizer.hpp"
#include "model/onnx_runtime.hpp"

namespace memoir::model {

// The output that means entailment by a model's config.json (id2label, else label2id); 0 where that does not
// say, or is not there.
std::size_t read_entailment_index(const std::string& config_json);

class NliClassifier : public Classifier {
  public:
    // model_dir holds model.onnx and spm.model; config.json and tokenizer.json where present.
    NliClassifier(const ClassifierOptions& options, const OnnxOptions& onnx);

    std::vector<std::string> classify(std::span<const std::string> texts, std::stop_token stop) override;

    // All outputs for one pair.
    std::vector<float> logits(std::string_view text, std::string_view label) const;

    const std::string& runtime_version() const { return runtime_->version(); }
    std::size_t max_tokens() const { return truncation_.max_length; }
    std::size_t entailment_index() const { return entailment_; }

  private:
    void find_shape(const std::string& file);
    std::vector<float> run(TokenIds ids) const;

    ClassifierOptions options_;
    DebertaTokenizer tokenizer_;
    std::shared_ptr<OnnxRuntime> runtime_;
    OnnxSession session_;
    Truncation truncation_;
    std::size_t fixed_length_ = 0;  // 0: the model takes any length
    std::size_t entailment_ = 0;
    std::array<TokenIds, categories.size()> hypotheses_;
};

}  // namespace memoir::model
