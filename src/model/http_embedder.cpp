#include "model/http_embedder.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>

#include "model/chat_body.hpp"
#include "model/normalize.hpp"

namespace memoir::model {

namespace {

constexpr const char* role = "embedding";  // the endpoint's name, and the section that hints name
const std::string probe_word = "memoird";

// How many texts from the first on make one request.
std::size_t fitting(std::span<const std::string> texts, const EmbeddingLimits& limits) {
    std::size_t bytes = 0, count = 0;
    for (const auto& text : texts) {
        bytes += text.size();
        if (count > 0 && limits.bytes > 0 && bytes > limits.bytes) break;
        ++count;
        if (count == limits.texts) break;
    }
    return count;
}

}  // namespace

HttpEmbedder::HttpEmbedder(EmbeddingOptions options, std::unique_ptr<EmbeddingProvider> provider,
                           http::Client& client, telemetry::Log& log, const Clock& clock)
    : options_(std::move(options)),
      provider_(std::move(provider)),
      client_(client),
      endpoint_(
          {role, 0, "embedding.url, embedding.api_key_file"},
          [this](endpoint::Nature, const std::stop_token& stop) {
              exchange(std::span(&probe_word, 1), stop);
          },
          log, clock) {}

std::vector<Embedding> HttpEmbedder::embed(std::span<const std::string> texts, std::stop_token stop) {
    std::vector<Embedding> vectors;
    vectors.reserve(texts.size());
    const auto is_empty = [](const std::string& text) { return text.empty(); };
    if (!provider_->takes_empty() && std::any_of(texts.begin(), texts.end(), is_empty))
        throw Failure(FailureType::permanent,
                      "the text is empty, which " + options_.provider + " does not embed");
    while (!texts.empty()) {
        const auto some = texts.first(fitting(texts, limits(stop)));
        auto made = endpoint_.call_for(endpoint::Nature::read, stop, [&] { return exchange(some, stop); });
        std::move(made.begin(), made.end(), std::back_inserter(vectors));
        texts = texts.subspan(some.size());
    }
    return vectors;
}

EmbeddingLimits HttpEmbedder::limits(const std::stop_token& stop) {
    {
        std::lock_guard lock(mutex_);
        if (limits_) return *limits_;
    }
    auto limits = provider_->limits();
    if (const auto inquiry = provider_->inquiry())
        endpoint_.call(endpoint::Nature::read, stop, [&] {
            const auto response = send(*inquiry, stop);
            if (response.status == 200)
                limits = provider_->limits_in(parse_body(response));
            else if (response.status != 404)  // a server that only talks like it, and has its usual limits
                throw failure_in(response);
        });
    std::lock_guard lock(mutex_);
    limits_ = limits;
    return limits;
}

std::vector<Embedding> HttpEmbedder::exchange(std::span<const std::string> texts,
                                              const std::stop_token& stop) {
    const auto response = send(provider_->build(texts), stop);
    if (response.status != 200) {
        if ((response.status == 413 || response.status == 422) && texts.size() > 1) {
            // Perhaps the server came back with other limits.
            std::lock_guard lock(mutex_);
            limits_.reset();
        }
        throw failure_in(response);
    }
    auto vectors = provider_->vectors(parse_body(response, response.body.size()));
    if (!vectors || vectors->size() != texts.size()) throw no_answer(response);
    for (auto& vector : *vectors) check(vector);
    return std::move(*vectors);
}

http::Response HttpEmbedder::send(http::Request request, const std::stop_token& stop) {
    request.ca_file = options_.ca_file;
    request.timeout = options_.timeout;
    return client_.send(request, stop);
}

Failure HttpEmbedder::failure_in(const http::Response& response) const {
    const auto error = read_error(response);
    if (auto own = provider_->failure(response, error)) return *own;
    auto failure = failure_of(response, error, role, std::chrono::system_clock::now());
    if (options_.provider == "ollama" && response.status == 404 && error.json)
        failure.hint += "; `ollama pull` fetches it";
    return failure;
}

void HttpEmbedder::check(Embedding& vector) const {
    if (vector.size() != static_cast<std::size_t>(options_.dimension)) {
        Failure blocked(FailureType::blocked,
                        "the server gives vectors of dimension " + std::to_string(vector.size()) +
                            ", the configuration says " + std::to_string(options_.dimension));
        blocked.hint =
            "set embedding.dimension to the model's, or choose the model of the index in embedding.model; an "
            "index of "
            "another dimension has to be built anew";
        throw blocked;
    }
    if (!normalize(vector))
        throw Failure(FailureType::job, "the server gave a vector that is not finite or has no length");
}

}  // namespace memoir::model
