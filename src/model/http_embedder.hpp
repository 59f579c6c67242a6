#pragma once
// Embedding by a server: ollama, openai (and compatible) and tei. Splits what it is given by the server's
// limits, those included that it learns when a request is refused, for every caller; checks what comes back
// (count, dimension, finite numbers) and normalises it. Every exchange goes through the endpoint "embedding":
// breaker, charging; its probe embeds a fixed word and checks the vector too, so that a wrong dimension is
// found at the start. Thread safety: all of it.

#include <atomic>
#include <mutex>

#include "endpoint/endpoint.hpp"
#include "http/client.hpp"
#include "model/embedder.hpp"
#include "model/embedding_knowledge.hpp"
#include "model/embedding_provider.hpp"
#include "model/options.hpp"

namespace memoir::model {

class HttpEmbedder : public Embedder {
  public:
    // `client` and `log` must outlive it.
    HttpEmbedder(EmbeddingOptions options, std::unique_ptr<EmbeddingProvider> provider, http::Client& client,
                 telemetry::Log& log, const Clock& clock = Clock::real());

    std::vector<Embedding> embed(std::span<const std::string> texts, std::stop_token stop) override;
    int dimension() const override { return options_.dimension; }
    const std::string& model() const override { return options_.model; }
    endpoint::Endpoint* endpoint() override { return &endpoint_; }

  private:
    EmbeddingLimits limits(const std::stop_token& stop);
    // One request, and more where the server names what it does not take, or takes fewer at a time.
    std::vector<Embedding> exchange(std::span<const std::string> texts, const std::stop_token& stop);
    std::vector<Embedding> taken(const http::Response& response, std::span<const std::string> texts,
                                 const EmbeddingForm& form);
    std::vector<Embedding> split(std::span<const std::string> texts, const http::Response& response,
                                 const ErrorBody& error, const std::stop_token& stop);
    std::vector<Embedding> in_parts(std::span<const std::string> texts, const std::stop_token& stop);
    void learned(const std::string& what);  // empty: nothing new
    http::Response send(http::Request request, std::size_t texts, const std::stop_token& stop);
    Failure failure_in(const http::Response& response) const;
    void check(Embedding& vector) const;

    EmbeddingOptions options_;
    std::unique_ptr<EmbeddingProvider> provider_;
    http::Client& client_;
    telemetry::Log& log_;
    EmbeddingKnowledge knowledge_;
    std::mutex mutex_;
    std::optional<EmbeddingLimits> limits_;  // nullopt: the server was not asked yet
    endpoint::Endpoint endpoint_;            // last: its probe uses the others
};

}  // namespace memoir::model
