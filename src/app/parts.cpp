#include "app/parts.hpp"

#include <algorithm>
#include <thread>

#include "base/pause.hpp"
#include "endpoint/endpoint.hpp"
#include "model/make_embedder.hpp"
#include "vector/make_index.hpp"

namespace memoir::app {

namespace {

// How long the start waits for backends that do not answer (docs/interface.md, "memoird").
constexpr Milliseconds try_limit{10'000};

void is_away(endpoint::Endpoint& endpoint) {
    try {
        endpoint.call(endpoint::Nature::read, {}, [] {
            throw Failure(FailureType::outage,
                          "no answer within " + std::to_string(try_limit.count() / 1'000) + " s at start-up");
        });
    } catch (const Failure&) {
        // Its breaker is open now, if it was not before.
    }
}

// The prompt is the stage's, and not the model's.
bool same_model(std::optional<model::ChatOptions> a, std::optional<model::ChatOptions> b) {
    for (auto* options : {&a, &b})
        if (*options) (*options)->prompt_file.clear();
    return a == b;
}

}  // namespace

Parts::Parts(const config::Config& config, Ground& ground, const Parts* before)
    : config_(config), ground_(ground), before_(before) {}

template <typename Part, typename Make>
bool Parts::use(std::shared_ptr<Part> Parts::*member, bool same, Make&& make) {
    auto& part = this->*member;
    if (part) return false;
    if (before_ && same) part = before_->*member;
    if (part) return false;
    part = make();
    return true;
}

void Parts::add(endpoint::Endpoint* endpoint, bool is_fresh) {
    if (!endpoint || std::ranges::find(endpoints_, endpoint) != endpoints_.end()) return;
    endpoints_.push_back(endpoint);
    if (!is_fresh) return;
    fresh_.push_back(endpoint);
    endpoint->observe(ground_.calls);
}

model::Embedder& Parts::embedder() {
    const bool same =
        before_ && before_->config_.embedding == config_.embedding && before_->config_.onnx == config_.onnx;
    const bool made = use(&Parts::embedder_, same, [&] {
        return model::make_embedder(config_.embedding, config_.onnx, ground_.http, ground_.log);
    });
    add(embedder_->endpoint(), made);
    return *embedder_;
}

vector::Index& Parts::index() {
    auto& by = embedder();
    const bool same = before_ && before_->config_.vector == config_.vector &&
                      before_->config_.embedding.model == config_.embedding.model &&
                      before_->config_.embedding.dimension == config_.embedding.dimension;
    const bool made = use(&Parts::index_, same, [&] {
        return vector::make_index(config_.vector, by.dimension(), by.model(), config_.database.schema,
                                  ground_.pool, ground_.http, ground_.log);
    });
    add(index_->endpoint(), made);
    if (made)
        preparations_.emplace_back([this](const std::stop_token& stop) {
            try {
                index_->prepare(stop);
            } catch (const Failure& failure) {
                ground_.log.warning("memoir.vector.not_ready",
                                    "the vector index is not ready; starting without it",
                                    {{"error", failure.reason()}, {"hint", failure.hint}});
            }
        });
    return *index_;
}

model::Chat& Parts::extraction() {
    const bool made =
        use(&Parts::extraction_, before_ && same_model(before_->config_.extraction, config_.extraction),
            [&] { return model::make_chat(*config_.extraction, "extraction", ground_.http, ground_.log); });
    add(&extraction_->endpoint(), made);
    return *extraction_;
}

model::Chat& Parts::relational() {
    const bool made =
        use(&Parts::relational_, before_ && same_model(before_->config_.relational, config_.relational),
            [&] { return model::make_chat(*config_.relational, "relational", ground_.http, ground_.log); });
    add(&relational_->endpoint(), made);
    return *relational_;
}

model::Classifier& Parts::classifier() {
    embedder();
    const bool by_embedder = config_.classifier->provider == "embedding";
    const bool same = before_ && before_->config_.classifier == config_.classifier &&
                      before_->config_.onnx == config_.onnx &&
                      (!by_embedder || before_->embedder_ == embedder_);
    use(&Parts::classifier_, same, [&] {
        return model::make_classifier(*config_.classifier, config_.onnx, embedder_.get(), ground_.log);
    });
    return *classifier_;
}

graph::Client& Parts::graph_client() {
    const bool made = use(&Parts::graph_client_, before_ && before_->config_.graph == config_.graph,
                          [&] { return std::make_shared<graph::Client>(*config_.graph, ground_.log); });
    add(&graph_client_->endpoint(), made);
    return *graph_client_;
}

graph::Graph& Parts::graph() {
    auto& client = graph_client();
    const bool made = use(&Parts::graph_, before_ && before_->graph_client_ == graph_client_,
                          [&] { return std::make_shared<graph::Graph>(client); });
    if (made)
        preparations_.emplace_back([this](const std::stop_token& stop) {
            try {
                graph_->prepare(stop);
            } catch (const Failure& failure) {
                ground_.log.warning("memoir.graph.not_ready",
                                    "the graph is not ready; starting without its indexes",
                                    {{"error", failure.reason()}, {"hint", failure.hint}});
            }
        });
    return *graph_;
}

void Parts::prepare(const std::stop_token& stop) {
    // Readiness waits for nothing that is away: what has not answered by then is an open breaker.
    std::stop_source bounded;
    std::stop_callback with_stop(stop, [&] { bounded.request_stop(); });
    std::jthread timer([&](const std::stop_token& done) {
        if (pause(try_limit, done)) bounded.request_stop();
    });
    std::vector<std::jthread> probes;
    for (auto* endpoint : fresh_)
        probes.emplace_back([endpoint, stop, token = bounded.get_token()] {
            endpoint->probe_if_due(token, true);
            // Cut off by the limit and not by a signal: a probe that was stopped has said nothing.
            if (token.stop_requested() && !stop.stop_requested()) is_away(*endpoint);
        });
    for (const auto& preparation : preparations_) preparation(bounded.get_token());
}

}  // namespace memoir::app
