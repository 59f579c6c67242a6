#include "app/backends.hpp"

#include <algorithm>
#include <thread>

#include "base/pause.hpp"
#include "endpoint/endpoint.hpp"
#include "model/make_embedder.hpp"
#include "vector/make_index.hpp"

namespace memoir::app {

namespace {
// How long the start waits for backends that do not answer (interface.md).
constexpr Milliseconds try_limit{10'000};
// How often it is asked whether a probe is due; the endpoint says when.
constexpr Milliseconds probe_interval{250};

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

Backends::Backends(const config::Config& config, pg::Pool& pool, telemetry::Log& log)
    : config_(config), pool_(pool), log_(log) {
    if (in_a_lane("embed")) add_embed();
    add_graph_kinds();
    add_unbuilt();
}

bool Backends::in_a_lane(const std::string& kind) const {
    const auto& lanes = config_.worker.lanes;
    return std::any_of(lanes.begin(), lanes.end(), [&](const auto& lane) {
        return std::find(lane.kinds.begin(), lane.kinds.end(), kind) != lane.kinds.end();
    });
}

void Backends::add_embed() {
    embedder_ = model::make_embedder(config_.embedding, config_.onnx, http_, log_);
    index_ = vector::make_index(config_.vector, embedder_->dimension(), embedder_->model(),
                                config_.database.schema, pool_, http_, log_);
    embed_ = std::make_unique<stages::Embed>(*embedder_, *index_, pool_, config_.database.schema, log_);
    work::Entry entry;
    entry.stage = embed_.get();
    for (auto* endpoint : {embedder_->endpoint(), index_->endpoint()})
        if (endpoint) {
            entry.needs.push_back(endpoint);
            endpoints_.push_back(endpoint);
        }
    entry.when_failed = [schema = config_.database.schema](pg::Transaction& transaction,
                                                           const std::string& pid) {
        stages::Embed::when_failed(transaction, schema, pid);
    };
    registry_["embed"] = std::move(entry);
}

// Without a graph its kinds are nobody's work: no-ops, or left for hosts of the fleet that have one.
void Backends::add_graph_kinds() {
    for (const std::string kind : {"relational_extract", "synthesize"}) {
        if (!in_a_lane(kind)) continue;
        if (config_.graph)
            unserved_.push_back({kind, "not built into this version"});
        else if (config_.worker.leave_graph_absent)
            unserved_.push_back({kind, "no [graph] section here"});
        else
            registry_[kind] = {};
    }
}

void Backends::add_unbuilt() {
    const auto backend = [&](const std::string& kind) {
        return kind == "categorize" ? config_.classifier.has_value() : config_.extraction.has_value();
    };
    for (const std::string kind : {"extract", "categorize", "reprocess"}) {
        if (!in_a_lane(kind)) continue;
        const auto section = kind == "categorize" ? "[classifier]" : "[extraction]";
        if (backend(kind))
            unserved_.push_back({kind, "not built into this version"});
        else
            unserved_.push_back({kind, std::string("no ") + section + " section here"});
    }
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
    if (!index_) return;
    try {
        index_->prepare(bounded.get_token());
    } catch (const Failure& failure) {
        log_.warning("memoir.embed.upsert_failed", "the vector index is not ready; starting without it",
                     {{"error", failure.reason()}, {"hint", failure.hint}});
    }
}

void Backends::watch() {
    for (auto* endpoint : endpoints_)
        probers_.emplace_back([endpoint](const std::stop_token& stop) {
            while (pause(probe_interval, stop)) endpoint->probe_if_due(stop);
        });
}

}  // namespace memoir::app
