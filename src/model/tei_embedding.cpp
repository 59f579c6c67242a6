// text-embeddings-inference's POST /embed (docs/providers.md, "Text Embeddings Inference").
#include <nlohmann/json.hpp>

#include "model/embedding_provider.hpp"

namespace memoir::model {

namespace {

// Its defaults: entries of a request, and its bytes with room for the JSON around the texts, which escapes
// some.
constexpr std::size_t usual_batch = 32;
constexpr std::size_t most_bytes = 1'000'000;

class TeiEmbedding : public EmbeddingProvider {
  public:
    explicit TeiEmbedding(EmbeddingOptions options) : options_(std::move(options)) {}

    http::Request build(std::span<const std::string> texts, const EmbeddingForm& form) const override {
        nlohmann::json body{{"inputs", list_of(texts)}, {"normalize", true}};
        if (form.truncate) body["truncate"] = true;  // off by default in old versions
        return embedding_request(options_, "/embed", body);
    }

    std::optional<std::vector<Embedding>> vectors(const nlohmann::json& body) const override {
        return vectors_of(body);
    }

    std::optional<Failure> failure(const http::Response&, const ErrorBody&) const override {
        return std::nullopt;
    }

    EmbeddingLimits limits() const override { return {usual_batch, most_bytes}; }

    std::optional<http::Request> inquiry() const override {
        return embedding_request(options_, "/info", nullptr);
    }

    EmbeddingLimits limits_in(const nlohmann::json& info) const override {
        auto limits = this->limits();
        const auto batch = count_at(info, "max_client_batch_size");
        if (batch > 0) limits.texts = static_cast<std::size_t>(batch);
        return limits;
    }

  private:
    EmbeddingOptions options_;
};

}  // namespace

std::unique_ptr<EmbeddingProvider> make_tei_embedding(const EmbeddingOptions& options) {
    return std::make_unique<TeiEmbedding>(options);
}

}  // namespace memoir::model
