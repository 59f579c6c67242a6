#pragma once
// The in-process embedder: WordPiece, an ONNX model, pooling, L2. One session for the process; texts of like
// length run together in micro-batches, as many of them at a time as the pool has threads. A text alone and
// in a batch gives the same vector. Thread safety: embed() from several threads; they share the pool fairly.

#include "model/embedder.hpp"
#include "model/micro_batches.hpp"
#include "model/onnx_runtime.hpp"
#include "model/options.hpp"
#include "model/run_pool.hpp"
#include "model/wordpiece.hpp"

namespace memoir::model {

class OnnxEmbedder : public Embedder {
  public:
    // Loads model_dir's model.onnx and tokenizer.json and embeds a word. Throws StartError: a file is
    // missing, or it is no such model, or its dimension is not the one of the options.
    OnnxEmbedder(EmbeddingOptions options, const OnnxOptions& onnx);

    std::vector<Embedding> embed(std::span<const std::string> texts, std::stop_token stop) override;
    int dimension() const override { return options_.dimension; }
    const std::string& model() const override { return options_.model; }

    int threads() const { return pool_.threads(); }
    const OnnxRuntime& runtime() const { return *runtime_; }

  private:
    using Ids = std::vector<std::int64_t>;
    void find_ports(const std::string& file);
    void try_once(const std::string& file);
    void run(std::span<const std::size_t> batch, const std::vector<Ids>& ids,
             std::vector<Embedding>& vectors) const;
    Embedding pool(std::span<const float> hidden, std::size_t tokens) const;

    EmbeddingOptions options_;
    WordPiece tokenizer_;
    std::shared_ptr<OnnxRuntime> runtime_;
    OnnxSession session_;
    enum class Role { ids, mask, types };
    std::vector<Role> roles_;  // of the session's inputs
    std::size_t output_ = 0;
    RunPool pool_;
};

}  // namespace memoir::model
