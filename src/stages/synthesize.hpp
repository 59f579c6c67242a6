#pragma once
// synthesize: staged triples become part of the knowledge graph (docs/contract.md, "Graph"). Those that
// the source's facts bear out are kept; names are resolved to entities of the scope; nodes and edges are
// written; the settle clears the staging row that was read, or runs the fan-in where another one stands there
// by then.
//
// All vectors of a job are one batch, before any lock. Then one job at a time has the scope, over all hosts:
// a place in this process, and an advisory lock in a transaction that stays open during the graph's few round
// trips, and that proves itself alive before the write. Not had within 10 s, the job is parked without an
// attempt. Thread safety: run() from several loops.

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "extraction/triples.hpp"
#include "graph/graph.hpp"
#include "graph/scope_locks.hpp"
#include "memory/staging.hpp"
#include "model/embedder.hpp"
#include "pg/pool.hpp"
#include "telemetry/log.hpp"
#include "work/stage.hpp"

namespace memoir::stages {

class Synthesize : public work::Stage {
  public:
    // `scopes`: of the process.
    Synthesize(graph::Graph& graph, graph::ScopeLocks& scopes, model::Embedder& embedder, pg::Pool& pool,
               std::string schema, telemetry::Log& log);
    work::Result run(std::span<work::Claim> claims, work::Checkpoints& checkpoints,
                     std::stop_token stop) override;

  private:
    class Clear;
    struct Source {
        memory::Memory memory;
        memory::Staged staged;
        std::string at;  // valid_from
        std::vector<std::string> facts;
    };
    using Vectors = std::map<std::string, model::Embedding>;

    void one(work::Claim& claim, std::size_t member, Clear& effects, const std::stop_token& stop);
    Vectors embed(const std::vector<extraction::Triple>& triples, const std::vector<std::string>& facts,
                  const std::stop_token& stop);
    // With the scope to itself.
    void commit(const Source& source, const std::vector<extraction::Triple>& triples, const Vectors& vectors,
                std::vector<telemetry::Field>& fields, const std::stop_token& stop);
    graph::Addition addition(const Source& source, const std::vector<extraction::Triple>& triples,
                             const Vectors& vectors, const std::stop_token& stop);

    graph::Graph& graph_;
    graph::ScopeLocks& scopes_;
    model::Embedder& embedder_;
    pg::Pool& pool_;
    const std::string schema_;
    telemetry::Log& log_;
};

// The triples that some fact bears out: cosine of 0.6 or above, in 32 bits. Pure.
std::vector<extraction::Triple> borne_out(
    const std::vector<extraction::Triple>& triples, const std::vector<std::string>& facts,
    const std::function<const model::Embedding&(const std::string&)>& vector);
// "subject relation object": what a triple is compared by.
std::string sentence(const extraction::Triple& triple);

}  // namespace memoir::stages
