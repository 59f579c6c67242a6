#include "model/embedding_provider.hpp"

#include <limits>
#include <nlohmann/json.hpp>

#include "http/url.hpp"

namespace memoir::model {

EmbeddingLimits EmbeddingProvider::limits_in(const nlohmann::json&) const {
    return limits();
}

http::Request embedding_request(const EmbeddingOptions& options, std::string_view path,
                                const nlohmann::json& body) {
    http::Request request;
    request.url = http::join_once(options.url, path);
    if (body.is_null())
        request.method = "GET";
    else
        request.headers = {{"Content-Type", "application/json"}};
    if (!options.api_key.empty()) {
        const auto url = http::parse_url(options.url);
        add_key(request, options.api_key, url && is_azure(*url));
    }
    if (!body.is_null()) request.body = dump_body(body);
    return request;
}

nlohmann::json list_of(std::span<const std::string> texts) {
    auto list = nlohmann::json::array();
    for (const auto& text : texts) list.push_back(text);
    return list;
}

std::optional<Embedding> vector_of(const nlohmann::json& numbers) {
    if (!numbers.is_array()) return std::nullopt;
    Embedding vector;
    vector.reserve(numbers.size());
    // Servers write a NaN as null, or as a word in quotes.
    for (const auto& number : numbers)
        vector.push_back(number.is_number() ? number.get<float>() : std::numeric_limits<float>::quiet_NaN());
    return vector;
}

std::optional<std::vector<Embedding>> vectors_of(const nlohmann::json& list) {
    if (!list.is_array()) return std::nullopt;
    std::vector<Embedding> vectors;
    vectors.reserve(list.size());
    for (const auto& numbers : list) {
        auto vector = vector_of(numbers);
        if (!vector) return std::nullopt;
        vectors.push_back(std::move(*vector));
    }
    return vectors;
}

}  // namespace memoir::model
