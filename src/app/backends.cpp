#include "app/backends.hpp"

#include <algorithm>
#include <thread>

#include "base/pause.hpp"
#include "endpoint/endpoint.hpp"
#include "extraction/prompt.hpp"
#include "model/make_embedder.hpp"
#include "vector/make_index.hpp"

namespace memoir::app {

namespace {
// How long the start waits for backends that do not answer (interface.md).
constexpr Milliseconds try_limit{10'000};
// How often it is asked whether a probe is due; the endpoint says when.
constexpr Milliseconds probe_interval{250};
// Replies that nobody came back for live for days: how often they are looked for.
constexpr Milliseconds sweep_interval{3'600'000};

void is_away(endpoint::Endpoint& endpoint) {
    try {
        endpoint.call(endpoint::Nature::read, {}, [] {
            throw Failure(
                FailureType::outage,
                "no answer within " + std::to_string(try_limit.count() / 1'000) + " s of the start");
        });
    } catch (const Failure&) {
        // Its breaker is open now, if it was not before.
    }
}

}  // namespace

Backends::Backends(const config::Config& config, const schema::Additions& additions, pg::Pool& pool,
                   telemetry::Log& log)
    : config_(config), pool_(pool), log_(log), replies_(pool, config.database.schema, additions.replies) {
    if (in_a_lane("embed")) add_embed();
    if (in_a_lane("extract")) add_extract();
    if (in_a_lane("categorize")) add_categorize();
    if (in_a_lane("reprocess")) add_reprocess();
    if (in_a_lane("relational_extract")) add_relational_extract();
    if (in_a_lane("synthesize")) add_synthesize();
}

bool Backends::in_a_lane(const std::string& kind) const {
    const auto& lanes = config_.worker.lanes;
    return std::any_of(lanes.begin(), lanes.end(), [&](const auto& lane) {
        return std::find(lane.kinds.begin(), lane.kinds.end(), kind) != lane.kinds.end();
    });
}

void Backends::use_index() {
    if (index_) return;
    embedder_ = model::make_embedder(config_.embedding, config_.onnx, http_, log_);
    index_ = vector::make_index(config_.vector, embedder_->dimension(), embedder_->model(),
                                config_.database.schema, pool_, http_, log_);
    for (auto* endpoint : index_endpoints()) endpoints_.push_back(endpoint);
}

std::vector<endpoint::Endpoint*> Backends::index_endpoints() const {
    std::vector<endpoint::Endpoint*> list;
    for (auto* endpoint : {embedder_->endpoint(), index_->endpoint()})
        if (endpoint) list.push_back(endpoint);
    return list;
}

void Backends::use_extraction() {
    if (extraction_) return;
    extraction_ = model::make_chat(*config_.extraction, "extraction", http_, log_);
    endpoints_.push_back(&extraction_->endpoint());
    extractor_ = std::make_unique<stages::Extractor>(
        *extraction_, replies_, pool_, prompting(*config_.extraction, extraction::Task::facts), log_);
}

stages::Extractor::Settings Backends::prompting(const model::ChatOptions& options,
                                                extraction::Task task) const {
    return {config_.database.schema, extraction::stable_prompt(task, options.prompt_file),
            config_.classifier.has_value()};
}

void Backends::add_embed() {
    use_index();
    embed_ = std::make_unique<stages::Embed>(*embedder_, *index_, pool_, config_.database.schema, log_);
    work::Entry entry;
    entry.stage = embed_.get();
    entry.needs = index_endpoints();
    entry.when_failed = [schema = config_.database.schema](pg::Transaction& transaction,
                                                           const std::string& pid) {
        stages::Embed::when_failed(transaction, schema, pid);
    };
    registry_["embed"] = std::move(entry);
}

void Backends::add_without_graph(const std::string& kind) {
    if (config_.worker.leave_graph_absent)
        unserved_.push_back({kind, "no [graph] section here"});
    else
        registry_[kind] = {};
}

void Backends::add_relational_extract() {
    if (!config_.graph) return add_without_graph("relational_extract");
    if (!config_.relational) return add_absent("relational_extract", "[relational]");
    relational_ = model::make_chat(*config_.relational, "relational", http_, log_);
    endpoints_.push_back(&relational_->endpoint());
    relator_ = std::make_unique<stages::Extractor>(
        *relational_, replies_, pool_, prompting(*config_.relational, extraction::Task::triples), log_);
    relational_extract_ =
        std::make_unique<stages::RelationalExtract>(*relator_, config_.database.schema, log_);
    work::Entry entry;
    entry.stage = relational_extract_.get();
    entry.needs = {&relational_->endpoint()};
    entry.model = &relational_->endpoint();
    entry.fan_in = true;
    entry.paid = true;
    registry_["relational_extract"] = std::move(entry);
}

void Backends::add_synthesize() {
    if (!config_.graph) return add_without_graph("synthesize");
    use_index();
    graph_client_ = std::make_unique<graph::Client>(*config_.graph, log_);
    graph_ = std::make_unique<graph::Graph>(*graph_client_);
    endpoints_.push_back(&graph_client_->endpoint());
    synthesize_ =
        std::make_unique<stages::Synthesize>(*graph_, *embedder_, pool_, config_.database.schema, log_);
    work::Entry entry;
    entry.stage = synthesize_.get();
    if (auto* endpoint = embedder_->endpoint()) entry.needs.push_back(endpoint);
    entry.needs.push_back(&graph_client_->endpoint());
    entry.paid = true;
    registry_["synthesize"] = std::move(entry);
}

void Backends::add_absent(const std::string& kind, const std::string& section) {
    if (config_.worker.complete_unconfigured) {
        work::Entry entry;
        entry.fan_in = kind == "relational_extract" || (kind == "extract" && has_graph());
        registry_[kind] = std::move(entry);
    } else {
        unserved_.push_back({kind, "no " + section + " section here"});
    }
}

void Backends::add_extract() {
    if (!config_.extraction) return add_absent("extract", "[extraction]");
    use_extraction();
    extract_ = std::make_unique<stages::Extract>(*extractor_, log_);
    work::Entry entry;
    entry.stage = extract_.get();
    entry.needs = {&extraction_->endpoint()};
    entry.model = &extraction_->endpoint();
    entry.fan_in = has_graph();
    entry.paid = true;
    registry_["extract"] = std::move(entry);
}

void Backends::add_categorize() {
    if (!config_.classifier) return add_absent("categorize", "[classifier]");
    use_index();
    classifier_ = model::make_classifier(*config_.classifier, config_.onnx, embedder_.get(), log_);
    categorize_ =
        std::make_unique<stages::Categorize>(*classifier_, *index_, pool_, config_.database.schema, log_);
    work::Entry entry;
    entry.stage = categorize_.get();
    entry.needs = index_endpoints();
    registry_["categorize"] = std::move(entry);
}

void Backends::add_reprocess() {
    // Completed, not skipped: what a person said is stored all the same.
    if (!config_.extraction && !config_.worker.complete_unconfigured)
        return add_absent("reprocess", "[extraction]");
    stages::Reprocess::Tools tools;
    work::Entry entry;
    if (config_.extraction) {
        use_index();
        use_extraction();
        tools = {extractor_.get(), embedder_.get(), index_.get()};
        entry.needs = index_endpoints();
        entry.needs.push_back(&extraction_->endpoint());
        entry.model = &extraction_->endpoint();
    }
    reprocess_ =
        std::make_unique<stages::Reprocess>(tools, has_graph(), pool_, config_.database.schema, log_);
    entry.stage = reprocess_.get();
    entry.paid = true;
    registry_["reprocess"] = std::move(entry);
}

work::Registry Backends::registry() const {
    return registry_;
}

void Backends::prepare(const std::stop_token& stop) {
    // Readiness waits for nothing that is away: what has not answered by then is an open breaker.
    std::stop_source bounded;
    std::stop_callback with_stop(stop, [&] { bounded.request_stop(); });
    std::jthread timer([&](const std::stop_token& done) {
        if (pause(try_limit, done)) bounded.request_stop();
    });
    std::vector<std::jthread> probes;
    for (auto* endpoint : endpoints_)
        probes.emplace_back([endpoint, stop, token = bounded.get_token()] {
            endpoint->probe_if_due(token, true);
            // Cut off by the limit and not by a signal: a probe that was stopped has said nothing.
            if (token.stop_requested() && !stop.stop_requested()) is_away(*endpoint);
        });
    if (index_) {
        try {
            index_->prepare(bounded.get_token());
        } catch (const Failure& failure) {
            log_.warning("memoir.embed.upsert_failed", "the vector index is not ready; starting without it",
                         {{"error", failure.reason()}, {"hint", failure.hint}});
        }
    }
    if (graph_) {
        try {
            graph_->prepare(bounded.get_token());
        } catch (const Failure& failure) {
            log_.warning("memoir.graph.not_ready", "the graph is not ready; starting without its indexes",
                         {{"error", failure.reason()}, {"hint", failure.hint}});
        }
    }
}

void Backends::watch() {
    for (auto* endpoint : endpoints_)
        probers_.emplace_back([endpoint](const std::stop_token& stop) {
            while (pause(probe_interval, stop)) endpoint->probe_if_due(stop);
        });
    if (!extraction_ && !relational_) return;
    probers_.emplace_back([this](const std::stop_token& stop) {
        do {
            try {
                replies_.sweep(stop);
            } catch (const pg::Error&) {
                // An hour later it is still time.
            }
        } while (pause(sweep_interval, stop));
    });
}

}  // namespace memoir::app
