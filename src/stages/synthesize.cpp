#include "stages/synthesize.hpp"

#include <algorithm>

#include "base/pause.hpp"
#include "base/random_id.hpp"
#include "extraction/text.hpp"
#include "graph/cypher.hpp"
#include "memory/graph_turn.hpp"
#include "queue/fan_in.hpp"
#include "stages/each_member.hpp"
#include "vector/similarity.hpp"

namespace memoir::stages {

namespace {
constexpr float borne_out_at = 0.6F;  // docs/contract.md, "Graph"
// As for embed: more than any model sees.
constexpr int content_limit = 65'536;
// How long a job waits for its scope (docs/architecture.md, "Graph"), and between two tries for the
// database's lock.
constexpr Milliseconds scope_wait{10'000}, between_tries{50};

Failure scope_is_busy() {
    return {FailureType::outage, "other jobs have been committing to the scope for " +
                                     std::to_string(scope_wait.count() / 1'000) + " s"};
}
}  // namespace

std::string sentence(const extraction::Triple& triple) {
    return triple.subject + " " + triple.relation + " " + triple.object;
}

std::vector<extraction::Triple> borne_out(
    const std::vector<extraction::Triple>& triples, const std::vector<std::string>& facts,
    const std::function<const model::Embedding&(const std::string&)>& vector) {
    std::vector<extraction::Triple> kept;
    for (const auto& triple : triples) {
        const auto& said = vector(sentence(triple));
        if (std::ranges::any_of(
                facts, [&](const auto& fact) { return vector::cosine(said, vector(fact)) >= borne_out_at; }))
            kept.push_back(triple);
    }
    return kept;
}

// The staging row goes with the job; a graph that was written for a memory that is gone forgets it.
class Synthesize::Clear : public work::Effects {
  public:
    Clear(Synthesize& stage, std::size_t count) : stage_(stage), members_(count) {}

    struct Member {
        memory::Scope scope;
        std::string pid, version;
        bool written = false;
        std::vector<telemetry::Field> fields;
    };
    void add(std::size_t member, Member value) { members_[member] = std::move(value); }
    void written(std::size_t member) { members_[member]->written = true; }

    void apply(pg::Transaction& transaction, work::Members members) override {
        std::vector<std::string> newer;
        for (const auto member : members)
            if (const auto& row = members_[member])
                if (!memory::clear_staged(transaction, stage_.schema_, row->pid, row->version))
                    newer.push_back(row->pid);
        queue::enqueue_synthesize(transaction, stage_.schema_, newer);
    }

    void committed(work::Members members) override {
        for (const auto member : members)
            if (members_[member])
                stage_.log_.info("memoir.synthesize.committed", "triples committed to the graph",
                                 std::move(members_[member]->fields));
    }

    void abandoned(work::Members members) override {
        for (const auto member : members) {
            const auto& row = members_[member];
            if (!row || !row->written) continue;
            try {
                auto connection = stage_.pool_.acquire({}, Milliseconds(5'000));
                if (!memory::load(*connection, stage_.schema_, std::span(&row->pid, 1), 1).empty()) continue;
                stage_.graph_.forget(row->scope, row->pid, {});
            } catch (const std::exception&) {
                stage_.log_.warning("memoir.synthesize.forget_failed",
                                    "the pid of a forgotten memory may remain in the graph",
                                    {{"source_pid", row->pid}});
            }
        }
    }

  private:
    Synthesize& stage_;
    std::vector<std::optional<Member>> members_;
};

Synthesize::Synthesize(graph::Graph& graph, graph::ScopeLocks& scopes, model::Embedder& embedder,
                       pg::Pool& pool, std::string schema, telemetry::Log& log)
    : graph_(graph),
      scopes_(scopes),
      embedder_(embedder),
      pool_(pool),
      schema_(std::move(schema)),
      log_(log) {}

work::Result Synthesize::run(std::span<work::Claim> claims, work::Checkpoints&, std::stop_token stop) {
    auto effects = std::make_unique<Clear>(*this, claims.size());
    auto result = each_member(
        claims, [&](work::Claim& claim, std::size_t member) { one(claim, member, *effects, stop); });
    result.effects = std::move(effects);
    return result;
}

void Synthesize::one(work::Claim& claim, std::size_t member, Clear& effects, const std::stop_token& stop) {
    const auto& pid = claim.job().source_pid;
    Source source;
    {
        auto connection = pool_.acquire(stop);
        auto found = memory::load(*connection, schema_, std::span(&pid, 1), 1);
        if (found.empty())
            return log_.info("memoir.synthesize.source_missing", "the memory was deleted before its job ran",
                             work::job_fields(claim));
        const auto row = memory::staged(*connection, schema_, pid);
        if (!row)
            return log_.info("memoir.synthesize.no_staged_triples", "no triples are staged for the memory",
                             work::job_fields(claim));
        source = {std::move(found.front()), *row, memory::moment(*connection, schema_, pid),
                  memory::active_facts(*connection, schema_, pid, content_limit)};
    }
    auto fields = work::job_fields(claim);
    std::vector<extraction::Triple> triples, kept;
    if (!source.memory.retired) triples = extraction::staged_triples(source.staged.triples);
    fields.push_back({"triples", static_cast<std::int64_t>(triples.size())});
    std::erase_if(triples, [](const auto& triple) {
        return extraction::is_blank(triple.subject) || extraction::is_blank(triple.object);
    });
    effects.add(member, {source.memory.scope, pid, source.staged.version, false, {}});
    if (!triples.empty() && !source.facts.empty()) {
        if (source.at.empty()) throw Failure(FailureType::permanent, "the memory's date is not a date");
        source.at = graph::timestamp(std::move(source.at));
        const auto vectors = embed(triples, source.facts, stop);
        kept = borne_out(triples, source.facts, [&](const std::string& text) -> const model::Embedding& {
            return vectors.at(text);
        });
        if (!kept.empty()) {
            effects.written(member);
            commit(source, kept, vectors, fields, stop);
        }
    }
    fields.push_back({"kept", static_cast<std::int64_t>(kept.size())});
    effects.add(member, {source.memory.scope, pid, source.staged.version, !kept.empty(), std::move(fields)});
}

Synthesize::Vectors Synthesize::embed(const std::vector<extraction::Triple>& triples,
                                      const std::vector<std::string>& facts, const std::stop_token& stop) {
    Vectors vectors;
    for (const auto& triple : triples)
        for (const auto& text : {triple.subject, triple.object, sentence(triple)}) vectors[text];
    for (const auto& fact : facts) vectors[fact];
    std::vector<std::string> texts;
    for (const auto& [text, vector] : vectors) texts.push_back(text);
    auto made = embedder_.embed(texts, stop);
    for (std::size_t at = 0; at < texts.size(); ++at) vectors[texts[at]] = std::move(made[at]);
    return vectors;
}

void Synthesize::commit(const Source& source, const std::vector<extraction::Triple>& triples,
                        const Vectors& vectors, std::vector<telemetry::Field>& fields,
                        const std::stop_token& stop) {
    const auto& scope = source.memory.scope;
    const auto deadline = Steady::now() + scope_wait;
    const auto place = scopes_.take(scope, deadline, stop);
    if (!place) throw stop.stop_requested() ? Failure(FailureType::cancelled, "cancelled") : scope_is_busy();
    for (;;) {
        {
            auto connection = pool_.acquire(stop);
            pg::Transaction transaction(*connection, pg::Transaction::Durability::off, Milliseconds(500),
                                        stop);
            if (memory::take_graph_turn(transaction, graph_.client().options().name, scope)) {
                const auto change = addition(source, triples, vectors, stop);
                // Without its connection this would write beside the next holder.
                memory::check_graph_turn(transaction);
                graph_.write(scope, change, stop);
                transaction.rollback();
                fields.push_back({"nodes", static_cast<std::int64_t>(change.nodes.size())});
                fields.push_back(
                    {"edges", static_cast<std::int64_t>(change.relations.size() + change.lines.size())});
                return;
            }
        }
        if (Steady::now() >= deadline) throw scope_is_busy();
        const auto wait = between_tries + Milliseconds(static_cast<int>(50 * random_unit()));
        if (!pause(wait, stop)) throw Failure(FailureType::cancelled, "cancelled");
    }
}

graph::Addition Synthesize::addition(const Source& source, const std::vector<extraction::Triple>& triples,
                                     const Vectors& vectors, const std::stop_token& stop) {
    graph::Addition addition{source.memory.pid, source.at, {}, {}, {}};
    auto entities = graph_.entities(source.memory.scope, embedder_.dimension(), stop);
    std::vector<graph::Relation> single;
    const auto use = [&](const std::string& name, const std::string& from) {
        // What resolved to another node's name needs no embedding of its own: the node is there.
        if (std::ranges::any_of(addition.nodes, [&](const auto& node) { return node.name == name; })) return;
        const auto& vector = vectors.at(from);
        if (!entities.known(name)) entities.add(name, vector);
        addition.nodes.push_back({name, vector});
    };
    for (const auto& triple : triples) {
        // Both before either is added: a new subject is no candidate for its own object. Copies, for adding
        // moves the names.
        std::string subject = entities.resolve(triple.subject, vectors.at(triple.subject));
        std::string object = entities.resolve(triple.object, vectors.at(triple.object));
        if (subject == object) continue;
        use(subject, triple.subject);
        use(object, triple.object);
        auto& list =
            graph::is_single_valued(graph::relation_type(triple.relation)) ? single : addition.relations;
        list.push_back({std::move(subject), std::move(object), triple.relation, triple.confidence});
    }
    std::vector<graph::Line> lines;
    for (const auto& relation : single) {
        const auto type = graph::relation_type(relation.relation);
        if (std::ranges::none_of(lines, [&](const auto& line) {
                return line.subject == relation.subject && line.type == type;
            }))
            lines.push_back({relation.subject, type, {}});
    }
    for (auto& before : graph_.lines(source.memory.scope, std::move(lines), stop)) {
        auto statements = graph::statements_of(before.edges);
        for (const auto& relation : single)
            if (relation.subject == before.subject && graph::relation_type(relation.relation) == before.type)
                statements.push_back(
                    {source.at, relation.object, source.memory.pid, relation.confidence, relation.relation});
        graph::Line after{before.subject, before.type, graph::timeline(std::move(statements))};
        addition.lines.push_back({std::move(before), std::move(after)});
    }
    return addition;
}

}  // namespace memoir::stages
