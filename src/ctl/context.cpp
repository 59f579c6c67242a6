#include "ctl/context.hpp"

#include <nlohmann/json.hpp>
#include <ostream>

#include "base/failure.hpp"
#include "graph/graph.hpp"
#include "http/client.hpp"
#include "model/make_embedder.hpp"
#include "schema/inventory.hpp"
#include "vector/make_index.hpp"

namespace memoir::ctl {

Context::Context(const config::Loaded& loaded, bool json, std::ostream& out, telemetry::Log& log)
    : loaded_(loaded), config_(loaded.config), json_(json), out_(out), log_(log) {}

Context::~Context() = default;

pg::ConnectOptions Context::connect_options() const {
    pg::ConnectOptions options;
    options.conninfo = config_.database.url.reveal();
    options.application_name = "memoirctl";
    options.statement_timeout = config_.database.statement_timeout;
    return options;
}

pg::Connection& Context::database() {
    if (!connection_ || connection_->broken()) connection_ = pg::Connection::connect(connect_options());
    return *connection_;
}

pg::Pool& Context::pool() {
    if (!pool_) pool_ = std::make_unique<pg::Pool>(connect_options(), 1);
    return *pool_;
}

http::Client& Context::client() {
    if (!client_) client_ = std::make_unique<http::Client>();
    return *client_;
}

model::Embedder& Context::embedder() {
    if (!embedder_) embedder_ = model::make_embedder(config_.embedding, config_.onnx, client(), log_);
    return *embedder_;
}

vector::Index& Context::index() {
    if (!index_)
        index_ = vector::make_index(config_.vector, config_.embedding.dimension, config_.embedding.model,
                                    schema(), pool(), client(), log_);
    return *index_;
}

graph::Graph& Context::graph() {
    if (!config_.graph)
        throw StartError("no graph is configured", "add a [graph] section with the url of a FalkorDB");
    if (!graph_) {
        graph_client_ = std::make_unique<graph::Client>(*config_.graph, log_);
        graph_ = std::make_unique<graph::Graph>(*graph_client_);
    }
    return *graph_;
}

const schema::Additions& Context::additions() {
    if (!additions_)
        additions_ =
            std::make_unique<schema::Additions>(schema::take_inventory(database(), schema()).additions);
    return *additions_;
}

void Context::print(const nlohmann::json& document, const std::function<void(std::ostream&)>& text) {
    if (!json_) return text(out_);
    // A name or reason that is no UTF-8 must not cost the whole answer.
    out_ << document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
}

}  // namespace memoir::ctl
