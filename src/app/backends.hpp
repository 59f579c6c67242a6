#pragma once
// The backends of one process and the stages on top of them, built from the configuration: who fills
// work::Registry. Everything a stage refers to lives here. Thread safety: construction on one thread; then
// all of it.

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "config/config.hpp"
#include "graph/graph.hpp"
#include "http/client.hpp"
#include "memory/replies.hpp"
#include "model/chat.hpp"
#include "model/classifier.hpp"
#include "model/embedder.hpp"
#include "pg/pool.hpp"
#include "schema/schema.hpp"
#include "stages/categorize.hpp"
#include "stages/embed.hpp"
#include "stages/extract.hpp"
#include "stages/relational_extract.hpp"
#include "stages/reprocess.hpp"
#include "stages/synthesize.hpp"
#include "telemetry/log.hpp"
#include "vector/index.hpp"
#include "work/stage.hpp"

namespace memoir::app {

class Backends {
  public:
    // Loads models where a kind served here needs them. Throws StartError for what can never work.
    Backends(const config::Config& config, const schema::Additions& additions, pg::Pool& pool,
             telemetry::Log& log);

    // Prepares the index and tries every endpoint once. What is away stays away: its breaker is open.
    // Throws StartError for what can never work.
    void prepare(const std::stop_token& stop);
    // The entries of the kinds that are served here.
    work::Registry registry() const;
    // Kinds of the lanes that are left alone, and why: "extract: no [extraction] section".
    struct Unserved {
        std::string kind, reason;
    };
    const std::vector<Unserved>& unserved() const { return unserved_; }
    const std::vector<endpoint::Endpoint*>& endpoints() const { return endpoints_; }
    // From now on open breakers are probed when they are due, each on a thread of its own: one that hangs
    // holds up none of the others.
    void watch();
    void unwatch() { probers_.clear(); }

  private:
    bool in_a_lane(const std::string& kind) const;
    void add_embed();
    void add_relational_extract();
    void add_synthesize();
    // Without a graph its kinds are nobody's work: no-ops, or left for hosts of the fleet that have one.
    void add_without_graph(const std::string& kind);
    void add_extract();
    void add_categorize();
    void add_reprocess();
    // A kind whose section is not there: left alone, and said, or completed as a no-op.
    void add_absent(const std::string& kind, const std::string& section);
    void use_index();       // and the embedder
    void use_extraction();  // the chat model
    stages::Extractor::Settings prompting(const model::ChatOptions& options, extraction::Task task) const;
    // A graph here or, with graph_absent = "leave", elsewhere: extract's end may be the fan-in.
    bool has_graph() const { return config_.graph.has_value() || config_.worker.leave_graph_absent; }
    std::vector<endpoint::Endpoint*> index_endpoints() const;

    const config::Config& config_;
    pg::Pool& pool_;
    telemetry::Log& log_;
    http::Client http_;
    std::unique_ptr<model::Embedder> embedder_;
    std::unique_ptr<vector::Index> index_;
    std::unique_ptr<model::Chat> extraction_;
    std::unique_ptr<model::Classifier> classifier_;
    memory::Replies replies_;
    std::unique_ptr<stages::Extractor> extractor_;
    std::unique_ptr<model::Chat> relational_;
    std::unique_ptr<stages::Extractor> relator_;
    std::unique_ptr<graph::Client> graph_client_;
    std::unique_ptr<graph::Graph> graph_;
    std::unique_ptr<stages::RelationalExtract> relational_extract_;
    std::unique_ptr<stages::Synthesize> synthesize_;
    std::unique_ptr<stages::Embed> embed_;
    std::unique_ptr<stages::Extract> extract_;
    std::unique_ptr<stages::Categorize> categorize_;
    std::unique_ptr<stages::Reprocess> reprocess_;
    std::vector<endpoint::Endpoint*> endpoints_;
    work::Registry registry_;
    std::vector<Unserved> unserved_;
    std::vector<std::jthread> probers_;  // last: joined before what they probe goes
};

}  // namespace memoir::app
