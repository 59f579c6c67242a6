#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>

#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/context.hpp"
#include "ctl/scope_options.hpp"
#include "ctl/table.hpp"
#include "graph/graph.hpp"

namespace memoir::ctl {
namespace {

using Entities = std::vector<graph::ShownEntity>;
using Edges = std::vector<graph::ShownEdge>;

nlohmann::json document(const Entities& entities, const Edges& edges) {
    auto nodes = nlohmann::json::array(), arrows = nlohmann::json::array();
    for (const auto& entity : entities)
        nodes.push_back({{"agent", agent_json(entity.agent_id)},
                         {"org", org_json(entity.org_id)},
                         {"name", entity.name},
                         {"first_seen_at", entity.first_seen_at},
                         {"memory_pids", entity.memory_pids}});
    for (const auto& edge : edges) {
        nlohmann::json arrow{{"agent", agent_json(edge.agent_id)},
                             {"org", org_json(edge.org_id)},
                             {"subject", edge.subject},
                             {"type", edge.type},
                             {"relation", edge.relation},
                             {"object", edge.object},
                             {"valid_from", edge.valid_from},
                             {"valid_to", nullptr},
                             {"confidence", edge.confidence},
                             {"memory_pids", edge.memory_pids}};
        if (edge.valid_to) arrow["valid_to"] = *edge.valid_to;
        arrows.push_back(std::move(arrow));
    }
    return {{"entities", nodes}, {"edges", arrows}};
}

// A string of the DOT language.
std::string dot(const std::string& text) {
    std::string quoted = "\"";
    for (const char letter : printable(text)) {
        if (letter == '"' || letter == '\\') quoted += '\\';
        quoted += letter;
    }
    return quoted + '"';
}

// One name is another entity in another scope; the ids of a drawing are unique by themselves where there is
// one scope, and by agent and organisation else.
using Ids = std::map<std::array<std::string, 3>, std::string>;

// The nodes of each agent and organisation, in a box of its own.
Ids write_boxes(std::ostream& out, const Entities& entities) {
    Ids ids;
    for (std::size_t at = 0; at < entities.size();) {
        const auto &agent = entities[at].agent_id, &org = entities[at].org_id;
        out << "  subgraph cluster_" << at
            << " {\n    label=" << dot("agent " + shown_agent(agent) + ", org " + shown_org(org)) << ";\n";
        for (; at < entities.size() && entities[at].agent_id == agent && entities[at].org_id == org; ++at) {
            const auto id = "n" + std::to_string(at);
            ids[{agent, org, entities[at].name}] = id;
            out << "    " << id << " [label=" << dot(entities[at].name) << "];\n";
        }
        out << "  }\n";
    }
    return ids;
}

void write_dot(std::ostream& out, const Entities& entities, const Edges& edges, bool one_scope) {
    out << "digraph memoir {\n";
    Ids ids;
    if (one_scope)
        for (const auto& entity : entities) out << "  " << dot(entity.name) << ";\n";
    else
        ids = write_boxes(out, entities);
    // An edge that was written after the entities were read has a node of its name.
    const auto id = [&](const graph::ShownEdge& edge, const std::string& name) {
        const auto found = ids.find({edge.agent_id, edge.org_id, name});
        return found == ids.end() ? dot(name) : found->second;
    };
    for (const auto& edge : edges) {
        out << "  " << id(edge, edge.subject) << " -> " << id(edge, edge.object) << " [label="
            << dot(edge.relation + " " + edge.valid_from.substr(0, 10) +
                   (edge.valid_to ? " - " + edge.valid_to->substr(0, 10) : ""))
            << (edge.valid_to ? ", style=dashed" : "") << "];\n";
    }
    out << "}\n";
}

// A table of lines that begin with what can differ in them: agent, organisation.
class Lines {
  public:
    Lines(const memory::ScopeFilter& filter, const std::vector<Table::Column>& columns)
        : filter_(filter), table_(all(filter, columns)) {}
    void add(const std::string& agent_id, const std::string& org_id, std::vector<std::string> cells) {
        if (!filter_.org_id) cells.insert(cells.begin(), shown_org(org_id));
        if (!filter_.agent_id) cells.insert(cells.begin(), shown_agent(agent_id));
        table_.add(std::move(cells));
    }
    const Table& table() const { return table_; }

  private:
    static std::vector<Table::Column> all(const memory::ScopeFilter& filter,
                                          const std::vector<Table::Column>& columns) {
        std::vector<Table::Column> list;
        if (!filter.agent_id) list.push_back({"AGENT"});
        if (!filter.org_id) list.push_back({"ORG"});
        list.insert(list.end(), columns.begin(), columns.end());
        return list;
    }
    const memory::ScopeFilter& filter_;
    Table table_;
};

void write_tables(std::ostream& out, const memory::ScopeFilter& filter, const Entities& entities,
                  const Edges& edges) {
    if (entities.empty()) {
        out << "the graph holds nothing of this scope\n";
        return;
    }
    Lines nodes(filter, {{"ENTITY"}, {"FIRST SEEN"}, {"MEMORIES", Table::Align::right}});
    for (const auto& entity : entities)
        nodes.add(entity.agent_id, entity.org_id,
                  {printable(entity.name), entity.first_seen_at.substr(0, 10),
                   std::to_string(entity.memory_pids.size())});
    out << nodes.table();
    if (edges.empty()) return;
    Lines arrows(
        filter, {{"SUBJECT"}, {"RELATION"}, {"OBJECT"}, {"FROM"}, {"TO"}, {"MEMORIES", Table::Align::right}});
    for (const auto& edge : edges)
        arrows.add(edge.agent_id, edge.org_id,
                   {printable(edge.subject), printable(edge.relation), printable(edge.object),
                    edge.valid_from.substr(0, 10), edge.valid_to ? edge.valid_to->substr(0, 10) : "current",
                    std::to_string(edge.memory_pids.size())});
    out << '\n' << arrows.table();
}

int run(Context& context, const Arguments& arguments) {
    if (!arguments.rest().empty()) throw Usage("graph show takes no argument beside its options");
    if (arguments.has("dot") && context.json()) throw Usage("give --dot or --json, not both");
    auto filter = read_scope(arguments);
    filter.user_id = arguments.need("user");
    const auto entities = context.graph().shown_entities(filter, {});
    const auto edges = context.graph().shown_edges(filter, {});
    if (arguments.has("dot")) {
        write_dot(context.out(), entities, edges, filter.agent_id && filter.org_id);
        return ok;
    }
    context.print(document(entities, edges),
                  [&](std::ostream& out) { write_tables(out, filter, entities, edges); });
    return ok;
}

}  // namespace

Command graph_show_command() {
    return {
        "graph show",
        "",
        "entities and edges of a user's graph, current and closed; names are what people said",
        {{"user", "U", "whose graph"},
         {"agent", "A", "of this agent only"},
         {"org", "O", "of this organisation only"},
         {"dot", "", "for Graphviz"}},
        run,
        "Closed edges have an end. Each agent and organisation has a graph of its own; without --agent or "
        "--org "
        "all of them are shown, - for one that is none. With --dot: `memoirctl graph show ... --dot | dot "
        "-Tsvg`.",
        Rights::read};
}

}  // namespace memoir::ctl
