#pragma once
// The models, the index and the graph of one configuration, each made when a kind that is served first needs
// it. What the configuration before had by the same settings is taken over as it is: a breaker keeps what it
// knows, a limiter its calls, and no model is loaded twice. Thread safety: made on one thread; then all of
// it.

#include <algorithm>
#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

#include "config/config.hpp"
#include "endpoint/endpoint.hpp"
#include "graph/graph.hpp"
#include "graph/scope_locks.hpp"
#include "http/client.hpp"
#include "memory/replies.hpp"
#include "model/chat.hpp"
#include "model/classifier.hpp"
#include "model/embedder.hpp"
#include "pg/pool.hpp"
#include "telemetry/log.hpp"
#include "vector/index.hpp"

namespace memoir::app {

// What all configurations of a process stand on; outlives them.
struct Ground {
    Ground(pg::Pool& connections, telemetry::Log& events, const std::string& schema)
        : pool(connections), log(events), replies(connections, schema) {}

    pg::Pool& pool;
    telemetry::Log& log;
    std::shared_ptr<const endpoint::CallObserver> calls{};  // told of every endpoint's; null: nobody is
    http::Client http;
    memory::Replies replies;
    // Over all configurations: a scope of the graph is one job's at a time. The others of the pool are for
    // claims and settles.
    graph::ScopeLocks scopes{std::max(1, pool.size() / 4)};
};

class Parts {
  public:
    // `before`: may be null; looked at until built() is called.
    Parts(const config::Config& config, Ground& ground, const Parts* before);
    // Each throws StartError for what can never work. Optional sections have to be there.
    model::Embedder& embedder();
    vector::Index& index();
    model::Chat& extraction();
    model::Chat& relational();
    model::Classifier& classifier();
    graph::Client& graph_client();
    graph::Graph& graph();
    void built() { before_ = nullptr; }

    // Tries every endpoint that was not taken over once, and prepares the index and the graph likewise. What
    // is away stays away: its breaker is open. Throws StartError for what can never work, pg::Error.
    void prepare(const std::stop_token& stop);
    const std::vector<endpoint::Endpoint*>& endpoints() const { return endpoints_; }
    const std::vector<endpoint::Endpoint*>& fresh() const { return fresh_; }  // of these: not taken over

  private:
    // True when it was made, false when it was taken over or there already.
    template <typename Part, typename Make>
    bool use(std::shared_ptr<Part> Parts::*member, bool same, Make&& make);
    void add(endpoint::Endpoint* endpoint, bool is_fresh);

    const config::Config config_;
    Ground& ground_;
    const Parts* before_;
    std::shared_ptr<model::Embedder> embedder_;
    std::shared_ptr<vector::Index> index_;
    std::shared_ptr<model::Chat> extraction_, relational_;
    std::shared_ptr<model::Classifier> classifier_;
    std::shared_ptr<graph::Client> graph_client_;
    std::shared_ptr<graph::Graph> graph_;
    std::vector<endpoint::Endpoint*> endpoints_, fresh_;
    std::vector<std::function<void(const std::stop_token&)>> preparations_;
};

}  // namespace memoir::app
