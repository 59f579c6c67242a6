#include <nlohmann/json.hpp>
#include <ostream>

#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/context.hpp"
#include "ctl/table.hpp"
#include "graph/graph.hpp"

namespace memoir::ctl {
namespace {

using Entities = std::vector<graph::ShownEntity>;
using Edges = std::vector<graph::ShownEdge>;

nlohmann::json document(const Entities& entities, const Edges& edges) {
    auto nodes = nlohmann::json::array(), arrows = nlohmann::json::array();
    for (const auto& entity : entities)
        nodes.push_back({{"name", entity.name},
                         {"first_seen_at", entity.first_seen_at},
                         {"memory_pids", entity.memory_pids}});
    for (const auto& edge : edges) {
        nlohmann::json arrow{{"subject", edge.subject},       {"type", edge.type},
                             {"relation", edge.relation},     {"object", edge.object},
                             {"valid_from", edge.valid_from}, {"valid_to", nullptr},
                             {"confidence", edge.confidence}, {"memory_pids", edge.memory_pids}};
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

void write_dot(std::ostream& out, const Entities& entities, const Edges& edges) {
    out << "digraph memoir {\n";
    for (const auto& entity : entities) out << "  " << dot(entity.name) << ";\n";
    for (const auto& edge : edges) {
        out << "  " << dot(edge.subject) << " -> " << dot(edge.object) << " [label="
            << dot(edge.relation + " " + edge.valid_from.substr(0, 10) +
                   (edge.valid_to ? " - " + edge.valid_to->substr(0, 10) : ""))
            << (edge.valid_to ? ", style=dashed" : "") << "];\n";
    }
    out << "}\n";
}

void write_tables(std::ostream& out, const Entities& entities, const Edges& edges) {
    if (entities.empty()) {
        out << "the graph holds nothing of this scope\n";
        return;
    }
    Table nodes({{"ENTITY"}, {"FIRST SEEN"}, {"MEMORIES", Table::Align::right}});
    for (const auto& entity : entities)
        nodes.add({printable(entity.name), entity.first_seen_at.substr(0, 10),
                   std::to_string(entity.memory_pids.size())});
    out << nodes;
    if (edges.empty()) return;
    Table arrows(
        {{"SUBJECT"}, {"RELATION"}, {"OBJECT"}, {"FROM"}, {"TO"}, {"MEMORIES", Table::Align::right}});
    for (const auto& edge : edges)
        arrows.add({printable(edge.subject), printable(edge.relation), printable(edge.object),
                    edge.valid_from.substr(0, 10), edge.valid_to ? edge.valid_to->substr(0, 10) : "current",
                    std::to_string(edge.memory_pids.size())});
    out << '\n' << arrows;
}

int run(Context& context, const Arguments& arguments) {
    if (!arguments.rest().empty()) throw Usage("graph show takes no argument beside its options");
    if (arguments.has("dot") && context.json()) throw Usage("give --dot or --json, not both");
    const memory::Scope scope{arguments.need("agent"), arguments.need("org"), arguments.need("user")};
    const auto entities = context.graph().shown_entities(scope, {});
    const auto edges = context.graph().shown_edges(scope, {});
    if (arguments.has("dot")) {
        write_dot(context.out(), entities, edges);
        return ok;
    }
    context.print(document(entities, edges), [&](std::ostream& out) { write_tables(out, entities, edges); });
    return ok;
}

}  // namespace

Command graph_show_command() {
    return {"graph show",
            "",
            "entities and edges of a scope, current and closed; names are what people said",
            {{"agent", "A", "the scope"},
             {"org", "O", "the scope"},
             {"user", "U", "the scope"},
             {"dot", "", "for Graphviz"}},
            run,
            "Closed edges have an end. With --dot: `memoirctl graph show ... --dot | dot -Tsvg`.",
            Rights::read};
}

}  // namespace memoir::ctl
