#pragma once
// One generation of what does the work: the backends that a configuration names and the stages on top of
// them. Who fills work::Registry. A reload makes another generation, which takes over what did not change;
// jobs under way keep theirs, and it ends with the last of them. Thread safety: construction on one thread;
// then all of it.

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "app/parts.hpp"
#include "stages/categorize.hpp"
#include "stages/embed.hpp"
#include "stages/extract.hpp"
#include "stages/relational_extract.hpp"
#include "stages/reprocess.hpp"
#include "stages/synthesize.hpp"
#include "work/plan.hpp"

namespace memoir::app {

class Backends {
  public:
    // Loads models where a kind served here needs them. `before`: the generation that this one is to replace,
    // or null. Throws StartError for what can never work.
    Backends(config::Config config, Ground& ground, const Backends* before = nullptr);
    ~Backends() { unwatch(); }

    // Once, before any job: see Parts::prepare.
    void prepare(const std::stop_token& stop) { parts_.prepare(stop); }
    const config::Config& config() const { return config_; }
    // What the engine works by with this generation; keeps it alive.
    static work::Plan plan(const std::shared_ptr<const Backends>& backends);
    // Kinds of the lanes that are left alone, and why: "extract: no [extraction] section".
    struct Unserved {
        std::string kind, reason;
        friend bool operator==(const Unserved&, const Unserved&) = default;
    };
    const std::vector<Unserved>& unserved() const { return unserved_; }
    const std::vector<endpoint::Endpoint*>& endpoints() const { return parts_.endpoints(); }
    const std::vector<endpoint::Endpoint*>& fresh() const { return parts_.fresh(); }
    // From now on open breakers are probed when they are due, each on a thread of its own: one that hangs
    // holds up none of the others.
    void watch();
    // Open breakers are probed now and not when it is due: what was wrong may be mended. Empty: all of them.
    void ask_again(std::string_view name = {}) const;
    // For good.
    void unwatch();

  private:
    // Until `stop`: stores the feedback of corrections that this process cannot work on now.
    void store_feedback(const std::stop_token& stop) const;
    bool takes_corrections() const;
    // Until `stop`: obeys `memoirctl backends probe`.
    void obey_requests(const std::stop_token& stop) const;
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
    stages::Extractor& extractor();
    std::unique_ptr<stages::Extractor> make_extractor(model::Chat& chat, const model::ChatOptions& options,
                                                      extraction::Task task);
    // A graph here or, with graph_absent = "leave", elsewhere: extract's end may be the fan-in.
    bool has_graph() const { return config_.graph.has_value() || config_.worker.leave_graph_absent; }
    std::vector<endpoint::Endpoint*> index_endpoints();

    const config::Config config_;
    Ground& ground_;
    Parts parts_;
    std::unique_ptr<stages::Extractor> extractor_, relator_;
    std::unique_ptr<stages::RelationalExtract> relational_extract_;
    std::unique_ptr<stages::Synthesize> synthesize_;
    std::unique_ptr<stages::Embed> embed_;
    std::unique_ptr<stages::Extract> extract_;
    std::unique_ptr<stages::Categorize> categorize_;
    std::unique_ptr<stages::Reprocess> reprocess_;
    work::Registry registry_;
    std::vector<Unserved> unserved_;
    std::mutex mutex_;  // guards the two below
    bool watched_ = true;
    std::vector<std::jthread> probers_;
};

}  // namespace memoir::app
