// OpenAI's POST /v1/embeddings and everything compatible with it (docs/providers.md, "OpenAI and compatible
// servers").
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>

#include "http/url.hpp"
#include "model/embedding_provider.hpp"

namespace memoir::model {

namespace {

using nlohmann::json;

// 32-bit floats, little-endian, in base64: what some servers send whatever was asked for.
std::optional<Embedding> from_base64(const std::string& text) {
    std::string bytes;
    std::uint32_t group = 0;
    int bits = 0;
    for (const char c : text) {
        static constexpr std::string_view alphabet =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        if (c == '=') break;
        const auto digit = alphabet.find(c);
        if (digit == std::string_view::npos) return std::nullopt;
        group = group << 6 | static_cast<std::uint32_t>(digit);
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        bytes += static_cast<char>(group >> bits & 0xFF);
    }
    if (bytes.size() % 4 != 0) return std::nullopt;
    Embedding vector(bytes.size() / 4);
    for (std::size_t i = 0; i < vector.size(); ++i) {
        std::uint32_t number = 0;
        for (std::size_t byte = 4; byte-- > 0;)
            number = number << 8 | static_cast<unsigned char>(bytes[4 * i + byte]);
        vector[i] = std::bit_cast<float>(number);
    }
    return vector;
}

class OpenAiEmbedding : public EmbeddingProvider {
  public:
    explicit OpenAiEmbedding(EmbeddingOptions options) : options_(std::move(options)) {
        const auto url = http::parse_url(options_.url);
        official_ = url && url->host == "api.openai.com";
        // A base URL is written with /v1 or without.
        if (url && url->path == "/")
            options_.url = http::join(options_.url, is_azure(*url) ? "/openai/v1" : "/v1");
    }

    http::Request build(std::span<const std::string> texts, const EmbeddingForm& form) const override {
        json body{{"model", options_.model}, {"input", list_of(texts)}};
        if (form.encoding_format) body["encoding_format"] = "float";
        // Older models and most compatible servers refuse the parameter.
        if (form.dimensions && options_.model.starts_with("text-embedding-3"))
            body["dimensions"] = options_.dimension;
        return embedding_request(options_, "/embeddings", body);
    }

    // The entries name their place; their order says nothing.
    std::optional<std::vector<Embedding>> vectors(const json& body) const override {
        const auto& data = member_at(body, "data");
        if (!data.is_array()) return std::nullopt;
        std::vector<Embedding> vectors(data.size());
        std::vector<bool> seen(data.size());
        for (std::size_t i = 0; i < data.size(); ++i) {
            const auto& index = member_at(data[i], "index");
            const auto place = index.is_number_unsigned() ? index.get<std::size_t>() : i;
            if (place >= data.size() || seen[place]) return std::nullopt;
            const auto& embedding = member_at(data[i], "embedding");
            auto vector =
                embedding.is_string() ? from_base64(embedding.get<std::string>()) : vector_of(embedding);
            if (!vector) return std::nullopt;
            vectors[place] = std::move(*vector);
            seen[place] = true;
        }
        return vectors;
    }

    std::optional<Failure> failure(const http::Response& response, const ErrorBody& error) const override {
        // llama.cpp says it with a 500.
        if ((response.status == 400 || response.status == 500) && is_too_long(error)) return too_long();
        return std::nullopt;
    }

    // 2,048 entries and 300,000 tokens; a token has a byte at least.
    EmbeddingLimits limits() const override { return {2'048, 300'000}; }

    bool takes_empty() const override { return !official_; }

  private:
    EmbeddingOptions options_;
    bool official_ = false;
};

}  // namespace

std::unique_ptr<EmbeddingProvider> make_openai_embedding(const EmbeddingOptions& options) {
    return std::make_unique<OpenAiEmbedding>(options);
}

}  // namespace memoir::model
