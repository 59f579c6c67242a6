#include "graph/graph.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/json_text.hpp"
#include "graph/cypher.hpp"

namespace memoir::graph {
namespace {

using endpoint::Nature;

// Sources of one node or edge; what holds more is not ours.
constexpr std::size_t most_pids = 100'000;

// Node patterns of the scope; the names of the parameters are ours.
constexpr const char* scoped = "agent_id: $agent, org_id: $org, user_id: $user";

Query in(const memory::Scope& scope) {
    Query query;
    query.with("agent", Literal::text(scope.agent_id))
        .with("org", Literal::text(scope.org_id))
        .with("user", Literal::text(scope.user_id));
    return query;
}

// The properties of node patterns that a reader's filter asks for: as `scoped`, but for what it leaves open.
std::string asked_for(const memory::ScopeFilter& filter, Query& query) {
    std::string properties;
    const auto compare = [&](const char* property, const char* parameter,
                             const std::optional<std::string>& value) {
        if (!value) return;
        query.with(parameter, Literal::text(*value));
        properties += fmt::format("{}{}: ${}", properties.empty() ? "" : ", ", property, parameter);
    };
    compare("agent_id", "agent", filter.agent_id);
    compare("org_id", "org", filter.org_id);
    compare("user_id", "user", filter.user_id);
    return properties;
}

// The library keeps an embedding as the text of a JSON array.
std::string json_array(const std::vector<float>& numbers) {
    std::string text = "[";
    for (const auto number : numbers) text += fmt::format("{}{}", text.size() > 1 ? "," : "", number);
    return text + "]";
}

std::vector<std::string> texts_of(const Value& value) {
    const auto text = value.text();
    std::vector<std::string> texts;
    if (!json_fits(text, 2, most_pids)) return texts;
    const auto list = nlohmann::json::parse(text, nullptr, false);
    if (list.is_array())
        for (const auto& item : list)
            if (item.is_string()) texts.push_back(item);
    return texts;
}

// As a double that a 32-bit float widens to: servers print fewer digits than that.
double confidence_of(const Value& value) {
    if (const auto* whole = std::get_if<std::int64_t>(&value)) return static_cast<double>(*whole);
    const auto text = value.text();
    float number = 1;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return static_cast<double>(number);
}

// Adds a source to `x`.memory_pids, once.
std::string adding_pid(const std::string& x) {
    return x + ".memory_pids = CASE WHEN $pid IN coalesce(" + x + ".memory_pids, []) THEN " + x +
           ".memory_pids ELSE coalesce(" + x + ".memory_pids, []) + $pid END";
}

Command merge_nodes(const memory::Scope& scope, const Addition& addition) {
    Literal::List rows;
    for (const auto& node : addition.nodes)
        rows.add(Literal::Map()
                     .add("name", Literal::text(node.name))
                     .add("embedding", Literal::text(json_array(node.embedding)))
                     .done());
    auto query = in(scope);
    query.with("pid", Literal::text(addition.pid))
        .with("at", Literal::text(addition.at))
        .with("rows", rows.done());
    return {query.text(fmt::format("UNWIND $rows AS r MERGE (e:Entity {{{}, name: r.name}}) ON CREATE SET "
                                   "e.first_seen_at = $at, e.embedding = r.embedding, e.memory_pids = [$pid] "
                                   "ON MATCH SET {}",
                                   scoped, adding_pid("e"))),
            -1};
}

Command merge_edges(const memory::Scope& scope, const Addition& addition, const std::string& type,
                    const std::vector<const Relation*>& relations) {
    Literal::List rows;
    for (const auto* relation : relations)
        rows.add(Literal::Map()
                     .add("subject", Literal::text(relation->subject))
                     .add("object", Literal::text(relation->object))
                     .add("relation", Literal::text(relation->relation))
                     .add("confidence", Literal::number(relation->confidence))
                     .done());
    auto query = in(scope);
    query.with("pid", Literal::text(addition.pid))
        .with("at", Literal::text(addition.at))
        .with("rows", rows.done());
    return {query.text(
                fmt::format("UNWIND $rows AS r MATCH (a:Entity {{{0}, name: r.subject}}), (b:Entity {{{0}, "
                            "name: r.object}}) MERGE (a)-[e:{1} {{valid_from: $at}}]->(b) ON CREATE SET "
                            "e.confidence = r.confidence, e.relation = r.relation, e.memory_pids = [$pid] "
                            "ON MATCH SET {2}",
                            scoped, quoted_type(type), adding_pid("e"))),
            -1};
}

// The edges as they are to be: made or changed in one query, and then, in another, what is no edge of its own
// any more. (A query that sets a property, filters by it and deletes would filter before it sets.)
void rewrite(const memory::Scope& scope, const Addition::Rewritten& line, std::vector<Command>& commands) {
    Literal::List rows, gone;
    for (const auto& edge : line.after.edges) {
        if (std::ranges::find(line.before.edges, edge) != line.before.edges.end()) continue;
        Literal::List pids;
        for (const auto& pid : edge.pids()) pids.add(Literal::text(pid));
        const auto property = to_property(edge);
        const auto& first = edge.statements.front();
        rows.add(Literal::Map()
                     .add("object", Literal::text(edge.object))
                     .add("at", Literal::text(edge.valid_from))
                     .add("till", edge.valid_to ? Literal::text(*edge.valid_to) : Literal::null())
                     .add("pids", pids.done())
                     .add("confidence", Literal::number(first.confidence))
                     .add("relation", Literal::text(first.relation))
                     .add("more", property.empty() ? Literal::null() : Literal::text(property))
                     .done());
    }
    for (const auto& edge : line.before.edges) {
        const bool stays = std::ranges::any_of(line.after.edges, [&](const Edge& after) {
            return after.object == edge.object && after.valid_from == edge.valid_from;
        });
        if (stays) continue;
        gone.add(Literal::Map()
                     .add("object", Literal::text(edge.object))
                     .add("at", Literal::text(edge.valid_from))
                     .done());
    }
    const auto type = quoted_type(line.after.type);
    const auto query = [&](const Literal::List& list, const std::string& body) {
        auto built = in(scope);
        built.with("subject", Literal::text(line.after.subject)).with("rows", list.done());
        commands.push_back({built.text(body), -1});
    };
    if (!rows.empty())
        query(rows, fmt::format(
                        "UNWIND $rows AS r MATCH (a:Entity {{{0}, name: $subject}}), (b:Entity {{{0}, name: "
                        "r.object}}) MERGE (a)-[e:{1} {{valid_from: r.at}}]->(b) SET e.confidence = "
                        "r.confidence, e.relation = r.relation, e.memory_pids = r.pids, e.valid_to = r.till, "
                        "e.memoird_statements = r.more",
                        scoped, type));
    if (!gone.empty())
        query(gone,
              fmt::format("UNWIND $rows AS r MATCH (a:Entity {{{0}, name: $subject}})-[e:{1} {{valid_from: "
                          "r.at}}]->(b:Entity {{{0}, name: r.object}}) DELETE e",
                          scoped, type));
}

}  // namespace

std::string timestamp(std::string utc) {
    if (const auto point = utc.find('.'); point != utc.npos) {
        if (utc.ends_with("000")) utc.resize(utc.size() - 3);
        if (utc.ends_with(".000")) utc.resize(point);
    }
    return utc + "+00:00";
}

void Graph::prepare(std::stop_token stop) {
    for (const char* key : {"name", "user_id"}) {
        try {
            client_.query(Nature::write, fmt::format("CREATE INDEX FOR (e:Entity) ON (e.{})", key), stop);
        } catch (const Failure& failure) {
            // It is there already; what is wrong with the server itself is thrown as another type.
            if (failure.type() != FailureType::job) throw;
        }
    }
}

Entities Graph::entities(const memory::Scope& scope, int dimension, std::stop_token stop) {
    auto rows = client_.query(
        Nature::read,
        in(scope).text(fmt::format("MATCH (e:Entity {{{}}}) RETURN e.name, e.embedding", scoped)),
        std::move(stop), 1);
    Entities entities(dimension);
    for (auto& row : rows) {
        if (row.size() != 2) continue;
        auto* embedding = std::get_if<std::vector<float>>(&row[1]);
        entities.add(row[0].text(), embedding ? std::move(*embedding) : std::vector<float>());
    }
    return entities;
}

std::vector<Line> Graph::lines(const memory::Scope& scope, std::vector<Line> asked, std::stop_token stop) {
    if (asked.empty()) return asked;
    std::vector<Command> commands;
    for (const auto& line : asked) {
        auto query = in(scope);
        query.with("subject", Literal::text(line.subject));
        commands.push_back({query.text(fmt::format(
                                "MATCH (a:Entity {{{0}, name: $subject}})-[e:{1}]->(b:Entity {{{0}}}) RETURN "
                                "b.name, e.valid_from, e.valid_to, toJSON(e.memory_pids), e.confidence, "
                                "e.relation, e.memoird_statements ORDER BY e.valid_from, b.name",
                                scoped, quoted_type(line.type))),
                            -1});
    }
    const auto results = client_.query(Nature::read, commands, std::move(stop));
    for (std::size_t at = 0; at < asked.size(); ++at)
        for (const auto& row : results[at]) {
            if (row.size() != 7) continue;
            Edge edge;
            edge.object = row[0].text();
            edge.valid_from = row[1].text();
            if (!row[2].is_null()) edge.valid_to = row[2].text();
            auto later = from_property(row[6].text(), edge.object);
            // Who is in memory_pids and made no later statement was there when the edge began.
            for (auto& pid : texts_of(row[3])) {
                const bool is_later =
                    std::ranges::any_of(later, [&](const Statement& said) { return said.pid == pid; });
                if (!is_later || edge.statements.empty())
                    edge.statements.push_back(
                        {edge.valid_from, edge.object, std::move(pid), confidence_of(row[4]), row[5].text()});
            }
            edge.statements.insert(edge.statements.end(), later.begin(), later.end());
            asked[at].edges.push_back(std::move(edge));
        }
    return asked;
}

std::vector<Command> commands(const memory::Scope& scope, const Addition& addition) {
    std::vector<Command> list;
    if (!addition.nodes.empty()) list.push_back(merge_nodes(scope, addition));
    std::map<std::string, std::vector<const Relation*>> by_type;
    std::set<std::array<std::string, 3>> seen;
    for (const auto& relation : addition.relations) {
        const auto type = relation_type(relation.relation);
        if (seen.insert({relation.subject, type, relation.object}).second) by_type[type].push_back(&relation);
    }
    for (const auto& [type, relations] : by_type)
        list.push_back(merge_edges(scope, addition, type, relations));
    for (const auto& line : addition.lines) rewrite(scope, line, list);
    return list;
}

void Graph::write(const memory::Scope& scope, const Addition& addition, std::stop_token stop) {
    const auto list = commands(scope, addition);
    if (!list.empty()) client_.query(Nature::write, list, std::move(stop));
}

void Graph::forget(const memory::Scope& scope, const std::string& pid, std::stop_token stop) {
    auto query = in(scope);
    query.with("pid", Literal::text(pid));
    const auto without = [](const char* x) {
        return fmt::format(
            "WHERE $pid IN {0}.memory_pids SET {0}.memory_pids = [p IN {0}.memory_pids WHERE p <> $pid]", x);
    };
    const std::vector<Command> commands{
        {query.text(fmt::format("MATCH (a:Entity {{{}}})-[e]->() {}", scoped, without("e"))), -1},
        {query.text(fmt::format("MATCH (a:Entity {{{}}}) {}", scoped, without("a"))), -1}};
    client_.query(Nature::write, commands, std::move(stop));
}

std::vector<ShownEntity> Graph::shown_entities(const memory::ScopeFilter& filter, std::stop_token stop) {
    std::vector<ShownEntity> list;
    Query query;
    const auto body = fmt::format(
        "MATCH (e:Entity {{{}}}) RETURN e.agent_id, e.org_id, e.name, e.first_seen_at, "
        "toJSON(e.memory_pids) ORDER BY e.agent_id, e.org_id, e.name",
        asked_for(filter, query));
    for (const auto& row : client_.query(Nature::read, query.text(body), std::move(stop)))
        if (row.size() == 5)
            list.push_back({row[0].text(), row[1].text(), row[2].text(), row[3].text(), texts_of(row[4])});
    return list;
}

std::vector<ShownEdge> Graph::shown_edges(const memory::ScopeFilter& filter, std::stop_token stop) {
    std::vector<ShownEdge> list;
    Query query;
    const auto body = fmt::format(
        "MATCH (a:Entity {{{0}}})-[e]->(b:Entity {{{0}}}) RETURN a.agent_id, a.org_id, a.name, type(e), "
        "e.relation, b.name, e.valid_from, e.valid_to, e.confidence, toJSON(e.memory_pids) "
        "ORDER BY a.agent_id, a.org_id, a.name, type(e), e.valid_from, b.name",
        asked_for(filter, query));
    for (const auto& row : client_.query(Nature::read, query.text(body), std::move(stop))) {
        if (row.size() != 10) continue;
        ShownEdge edge{row[0].text(), row[1].text(), row[2].text(), row[3].text(),         row[4].text(),
                       row[5].text(), row[6].text(), std::nullopt,  confidence_of(row[8]), texts_of(row[9])};
        if (!row[7].is_null()) edge.valid_to = row[7].text();
        list.push_back(std::move(edge));
    }
    return list;
}

}  // namespace memoir::graph
