// Ollama's POST /api/embed (docs/providers.md, "Ollama").
#include <nlohmann/json.hpp>

#include "model/embedding_provider.hpp"

namespace memoir::model {

namespace {

class OllamaEmbedding : public EmbeddingProvider {
  public:
    explicit OllamaEmbedding(EmbeddingOptions options) : options_(std::move(options)) {}

    http::Request build(std::span<const std::string> texts, const EmbeddingForm& form) const override {
        nlohmann::json body{{"model", options_.model}, {"input", list_of(texts)}};
        // As readers' queries and the in-process models do with a long text.
        if (form.truncate) body["truncate"] = true;
        return embedding_request(options_, "/api/embed", body);
    }

    std::optional<std::vector<Embedding>> vectors(const nlohmann::json& body) const override {
        return vectors_of(member_at(body, "embeddings"));
    }

    // It answers 500 to a request that holds one.
    bool takes_empty() const override { return false; }

    std::optional<Failure> failure(const http::Response& response, const ErrorBody& error) const override {
        if (error.says("exceeds the context") || error.says("exceeds maximum context")) return too_long();
        if (error.says("does not support embed")) {
            Failure blocked(FailureType::blocked,
                            "HTTP " + std::to_string(response.status) + ": the model is none for embedding");
            blocked.hint = "choose an embedding model in embedding.model";
            return blocked;
        }
        // Comes back for ever, whatever else the server does.
        if (response.status == 500 && error.says("no input provided"))
            return Failure(FailureType::permanent, "HTTP 500: the server refuses the text");
        if (response.status == 503 && error.says("server busy"))
            return Failure(FailureType::throttled, "HTTP 503: the server's queue is full");
        return std::nullopt;
    }

  private:
    EmbeddingOptions options_;
};

}  // namespace

std::unique_ptr<EmbeddingProvider> make_ollama_embedding(const EmbeddingOptions& options) {
    return std::make_unique<OllamaEmbedding>(options);
}

}  // namespace memoir::model
