#pragma once
// What a command works with. Opens a connection at the first use. Thread safety: one thread.

#include <functional>
#include <iosfwd>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "config/config.hpp"
#include "pg/pool.hpp"
#include "schema/schema.hpp"
#include "telemetry/log.hpp"

namespace memoir::http {
class Client;
}
namespace memoir::model {
class Embedder;
}
namespace memoir::vector {
class Index;
}
namespace memoir::graph {
class Client;
class Graph;
}  // namespace memoir::graph

namespace memoir::ctl {

class Context {
  public:
    Context(const config::Loaded& loaded, bool json, std::ostream& out, telemetry::Log& log);
    ~Context();
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    const config::Config& config() const { return config_; }
    const config::Loaded& loaded() const { return loaded_; }
    const std::string& schema() const { return config_.database.schema; }
    telemetry::Log& log() { return log_; }
    std::ostream& out() { return out_; }

    pg::Connection& database();
    pg::Pool& pool();  // for what asks for one
    // As the configuration names them; opened at the first use. Throw StartError or Failure.
    model::Embedder& embedder();
    vector::Index& index();
    graph::Graph& graph();  // throws StartError without [graph]
    // What of ours the schema has, read once. No privilege is needed, and none is tested.
    const schema::Additions& additions();
    http::Client& http() { return client(); }

    bool json() const { return json_; }
    // With --json `document`, else what `text` writes.
    void print(const nlohmann::json& document, const std::function<void(std::ostream&)>& text);

    pg::ConnectOptions connect_options() const;

  private:
    http::Client& client();

    const config::Loaded& loaded_;
    const config::Config& config_;
    const bool json_;
    std::ostream& out_;
    telemetry::Log& log_;
    std::unique_ptr<pg::Connection> connection_;
    std::unique_ptr<pg::Pool> pool_;
    std::unique_ptr<http::Client> client_;
    std::unique_ptr<model::Embedder> embedder_;
    std::unique_ptr<vector::Index> index_;  // uses pool_ and client_
    std::unique_ptr<graph::Client> graph_client_;
    std::unique_ptr<graph::Graph> graph_;  // uses graph_client_
    std::unique_ptr<schema::Additions> additions_;
};

}  // namespace memoir::ctl
