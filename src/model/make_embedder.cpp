#include "model/make_embedder.hpp"

#include "base/failure.hpp"
#include "http/url.hpp"
#include "model/embedding_provider.hpp"
#include "model/http_embedder.hpp"
#include "model/onnx_embedder.hpp"

namespace memoir::model {
namespace {

std::unique_ptr<EmbeddingProvider> make_provider(const EmbeddingOptions& options) {
    if (options.provider == "ollama") return make_ollama_embedding(options);
    if (options.provider == "openai") return make_openai_embedding(options);
    if (options.provider == "tei") return make_tei_embedding(options);
    throw StartError("embedding.provider names no provider", "it is one of onnx, ollama, openai, tei");
}

}  // namespace

std::unique_ptr<Embedder> make_embedder(const EmbeddingOptions& options, const OnnxOptions& onnx,
                                        http::Client& client, telemetry::Log& log, const Clock& clock) {
    if (options.provider == "onnx") return std::make_unique<OnnxEmbedder>(options, onnx);
    auto provider = make_provider(options);
    // The text of the URL is not shown: it may hold a password.
    if (!http::parse_url(options.url))
        throw StartError("embedding.url is no URL of an HTTP server",
                         "write it as in http://localhost:11434 or https://api.openai.com/v1");
    return std::make_unique<HttpEmbedder>(options, std::move(provider), client, log, clock);
}

}  // namespace memoir::model
