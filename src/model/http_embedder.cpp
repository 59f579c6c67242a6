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

// Numbers that one answer may hold, and so texts that one request has: as JSON some 8 MB.
constexpr std::size_t most_numbers = 400'000;

// What an answer may take: each number in its longest form, indented, and whatever else is said.
std::size_t response_bytes(std::size_t texts, int dimension) {
    constexpr std::size_t each = 48, rest = 1U << 20;
    return rest + texts * static_cast<std::size_t>(dimension) * each;
}
std::size_t response_values(std::size_t texts, int dimension) {
    constexpr std::size_t rest = 100'000;  // so that one vector of another dimension is read, and named
    return rest + 2 * texts * static_cast<std::size_t>(dimension);
}

// How many texts from the first on make one request.
std::size_t fitting(std::span<const std::string> texts, const EmbeddingLimits& limits, int dimension) {
    const auto most = std::max<std::size_t>(1, most_numbers / static_cast<std::size_t>(dimension));
    std::size_t bytes = 0, count = 0;
    for (const auto& text : texts) {
        bytes += text.size();
        if (count > 0 && limits.bytes > 0 && bytes > limits.bytes) break;
        ++count;
        if (count == limits.texts || count == most) break;
    }
    return count;
}

EmbeddingLimits smaller(const EmbeddingLimits& one, const EmbeddingLimits& other) {
    const auto least = [](std::size_t a, std::size_t b) { return a == 0 || b == 0 ? a + b : std::min(a, b); };
    return {least(one.texts, other.texts), least(one.bytes, other.bytes)};
}

// The form without the parameter that the server names.
std::optional<EmbeddingForm> without_named(const EmbeddingForm& form, const ErrorBody& error) {
    auto next = form;
    if (form.encoding_format && error.refuses("encoding_format"))
        next.encoding_format = false;
    else if (form.dimensions && error.refuses("dimensions"))
        next.dimensions = false;
    else if (form.truncate && error.refuses("truncate"))
        next.truncate = false;
    else
        return std::nullopt;
    return next;
}

}  // namespace

HttpEmbedder::HttpEmbedder(EmbeddingOptions options, std::unique_ptr<EmbeddingProvider> provider,
                           http::Client& client, telemetry::Log& log, const Clock& clock)
    : options_(std::move(options)),
      provider_(std::move(provider)),
      client_(client),
      log_(log),
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
        const auto most = smaller(limits(stop), knowledge_.limits());
        const auto some = texts.first(fitting(texts, most, options_.dimension));
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
            const auto response = send(*inquiry, 0, stop);
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
    for (;;) {
        const auto form = knowledge_.form();
        const auto response = send(provider_->build(texts, form), texts.size(), stop);
        if (response.status == 200) return taken(response, texts, form);
        const auto error = read_error(response);
        const bool refused = response.status == 400 || response.status == 413 || response.status == 422;
        if (!refused || !error.code.empty()) throw failure_in(response);
        if (const auto next = without_named(form, error)) {
            learned(knowledge_.learn(*next));
            continue;
        }
        if (texts.size() > 1) {
            // Perhaps the server came back with other limits.
            std::lock_guard lock(mutex_);
            limits_.reset();
        }
        if (const auto most = most_texts(error, texts.size())) {
            learned(knowledge_.learn_texts(*most));
            return in_parts(texts, stop);
        }
        if (knowledge_.may_try_less(form) && !is_too_long(error)) {
            const auto less = send(provider_->build(texts, barest), texts.size(), stop);
            if (less.status == 200) return taken(less, texts, barest);
        }
        if (texts.size() > 1 && (is_about_batch(response, error) || knowledge_.beyond_proven(texts)))
            return split(texts, response, error, stop);
        throw failure_in(response);
    }
}

std::vector<Embedding> HttpEmbedder::taken(const http::Response& response, std::span<const std::string> texts,
                                           const EmbeddingForm& form) {
    auto vectors =
        provider_->vectors(parse_body(response, response_values(texts.size(), options_.dimension)));
    if (!vectors || vectors->size() != texts.size()) throw no_answer(response);
    for (auto& vector : *vectors) check(vector);
    learned(knowledge_.prove(texts, form));
    return std::move(*vectors);
}

// A batch was refused, and perhaps only for its size. One text alone tells; where all pass in smaller parts,
// the size is what the server does not take.
std::vector<Embedding> HttpEmbedder::split(std::span<const std::string> texts, const http::Response& response,
                                           const ErrorBody& error, const std::stop_token& stop) {
    auto vectors = exchange(texts.first(1), stop);
    for (auto rest = texts.subspan(1); !rest.empty();) {
        const auto half = std::min(texts.size() / 2, fitting(rest, knowledge_.limits(), options_.dimension));
        const auto some = rest.first(std::clamp<std::size_t>(half, 1, rest.size()));
        auto made = exchange(some, stop);
        std::move(made.begin(), made.end(), std::back_inserter(vectors));
        rest = rest.subspan(some.size());
    }
    learned(knowledge_.learn_from_parts(texts, response.status == 413 || error.says("token")));
    return vectors;
}

std::vector<Embedding> HttpEmbedder::in_parts(std::span<const std::string> texts,
                                              const std::stop_token& stop) {
    std::vector<Embedding> vectors;
    while (!texts.empty()) {
        const auto some = texts.first(fitting(texts, knowledge_.limits(), options_.dimension));
        auto made = exchange(some, stop);
        std::move(made.begin(), made.end(), std::back_inserter(vectors));
        texts = texts.subspan(some.size());
    }
    return vectors;
}

void HttpEmbedder::learned(const std::string& what) {
    if (what.empty()) return;
    log_.info("memoir.backend.learned", std::string(role) + ": from now on asked " + what,
              {{"endpoint", std::string(role)}, {"model", options_.model}, {"takes", what}});
}

http::Response HttpEmbedder::send(http::Request request, std::size_t texts, const std::stop_token& stop) {
    request.max_response_bytes = response_bytes(texts, options_.dimension);
    request.ca_file = options_.ca_file;
    request.timeout = options_.timeout;
    return as_its_error(client_.send(request, stop));
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
