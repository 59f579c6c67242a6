#pragma once
// The knowledge graph of a scope: what synthesize reads and writes, and what people are shown
// (docs/contract.md, "Graph"). Every write can be run twice, and be cut off between any two queries: nodes
// come before edges, new edges before the end of old ones. Thread safety: all of it. Errors: Failure.

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "graph/client.hpp"
#include "graph/resolve.hpp"
#include "graph/timeline.hpp"
#include "memory/memory.hpp"

namespace memoir::graph {

// A triple between two nodes of the scope.
struct Relation {
    std::string subject, object;  // names of nodes
    std::string relation;         // as extracted
    double confidence = 1;        // what the 32-bit float widens to
};

// A node to be there. One that exists keeps its embedding and its date.
struct Node {
    std::string name;
    std::vector<float> embedding;
};

// One subject's edges of one single-valued type.
struct Line {
    std::string subject, type;
    std::vector<Edge> edges;
};

// What one source adds.
struct Addition {
    std::string pid;  // the episodic source
    std::string at;   // valid_from
    std::vector<Node> nodes;
    std::vector<Relation> relations;  // of types that coexist
    struct Rewritten {
        Line before, after;
    };
    std::vector<Rewritten> lines;  // of types with one object at a time
};

struct ShownEntity {
    std::string agent_id, org_id;  // as stored
    std::string name, first_seen_at;
    std::vector<std::string> memory_pids;
};
struct ShownEdge {
    std::string agent_id, org_id;  // as stored
    std::string subject, type, relation, object, valid_from;
    std::optional<std::string> valid_to;
    double confidence = 1;
    std::vector<std::string> memory_pids;
};

class Graph {
  public:
    explicit Graph(Client& client) : client_(client) {}

    // The indexes that merging by name needs. Once a process; harmless where they exist.
    void prepare(std::stop_token stop);
    Entities entities(const memory::Scope& scope, int dimension, std::stop_token stop);
    // In the order asked for; one round trip.
    std::vector<Line> lines(const memory::Scope& scope, std::vector<Line> asked, std::stop_token stop);
    // One round trip.
    void write(const memory::Scope& scope, const Addition& addition, std::stop_token stop);
    // Nothing of the scope names this source any more.
    void forget(const memory::Scope& scope, const std::string& pid, std::stop_token stop);

    // Of all scopes that the filter lets through, in one order: a name is one entity in each of them.
    std::vector<ShownEntity> shown_entities(const memory::ScopeFilter& filter, std::stop_token stop);
    std::vector<ShownEdge> shown_edges(const memory::ScopeFilter& filter, std::stop_token stop);
    Client& client() { return client_; }

  private:
    Client& client_;
};

// The queries of write(), in their order: a job that ends between any two of them leaves what the next run of
// it completes. Pure.
std::vector<Command> commands(const memory::Scope& scope, const Addition& addition);

// "2026-11-23T07:00:57.435669+00:00": the only form in which times are compared. `utc` is
// "2026-11-23T07:00:57.435669" with six digits; of them none, three or six stay, as many as it needs.
std::string timestamp(std::string utc);

}  // namespace memoir::graph
