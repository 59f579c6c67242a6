#pragma once
// The wire of one embedding API: how a request is phrased, what an answer means. Pure: no socket, no memory
// of its own; http_embedder.cpp does the I/O. Thread safety: const, any thread. Errors: values; reasons are
// text of ours.

#include <cstddef>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/failure.hpp"
#include "http/client.hpp"
#include "model/chat_body.hpp"
#include "model/embedder.hpp"
#include "model/options.hpp"

namespace memoir::model {

// Of one request. A text that is over `bytes` by itself is sent alone.
struct EmbeddingLimits {
    std::size_t texts = 0;  // 0: no limit
    std::size_t bytes = 0;  // of the texts together; 0: no limit
};

// How a request is phrased: what a server refuses is left out from then on.
struct EmbeddingForm {
    bool encoding_format = true;  // OpenAI
    bool dimensions = true;       // OpenAI, where the model takes it at all
    bool truncate = true;         // Ollama, TEI
    friend bool operator==(const EmbeddingForm&, const EmbeddingForm&) = default;
};
constexpr EmbeddingForm barest{false, false, false};

class EmbeddingProvider {
  public:
    virtual ~EmbeddingProvider() = default;
    // Method, URL, headers and body; time-outs and the CA are the caller's.
    virtual http::Request build(std::span<const std::string> texts, const EmbeddingForm& form) const = 0;
    // The vectors of a 200, in the texts' order, as the server gave them; nullopt: no answer of this API. A
    // component that is no number is a NaN.
    virtual std::optional<std::vector<Embedding>> vectors(const nlohmann::json& body) const = 0;
    // The provider's own cases; nullopt: the endpoint's table decides.
    virtual std::optional<Failure> failure(const http::Response& response, const ErrorBody& error) const = 0;
    virtual EmbeddingLimits limits() const { return {}; }
    // False: an empty text fails for ever, and takes its whole request with it.
    virtual bool takes_empty() const { return true; }
    // What tells the server's own limits, asked once; nullopt: there is nothing to ask.
    virtual std::optional<http::Request> inquiry() const { return std::nullopt; }
    virtual EmbeddingLimits limits_in(const nlohmann::json& info) const;
};

std::unique_ptr<EmbeddingProvider> make_ollama_embedding(const EmbeddingOptions& options);
std::unique_ptr<EmbeddingProvider> make_openai_embedding(const EmbeddingOptions& options);
std::unique_ptr<EmbeddingProvider> make_tei_embedding(const EmbeddingOptions& options);

// What the three have in common.
http::Request embedding_request(const EmbeddingOptions& options, std::string_view path,
                                const nlohmann::json& body);
nlohmann::json list_of(std::span<const std::string> texts);
std::optional<Embedding> vector_of(const nlohmann::json& numbers);                      // nullopt: no array
std::optional<std::vector<Embedding>> vectors_of(const nlohmann::json& list_of_lists);  // nullopt: not that

}  // namespace memoir::model
