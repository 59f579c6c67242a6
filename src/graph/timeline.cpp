#include "graph/timeline.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/json_text.hpp"

namespace memoir::graph {

std::vector<std::string> Edge::pids() const {
    std::vector<std::string> list;
    for (const auto& statement : statements)
        if (std::ranges::find(list, statement.pid) == list.end()) list.push_back(statement.pid);
    return list;
}

std::vector<Edge> timeline(std::vector<Statement> statements) {
    const auto key = [](const Statement& s) { return std::tie(s.at, s.object, s.pid); };
    // One source may say a thing twice, in other words: which of them is kept must not depend on the order.
    std::ranges::sort(statements, [&](const Statement& a, const Statement& b) {
        return std::tie(a.at, a.object, a.pid, a.relation, a.confidence) <
               std::tie(b.at, b.object, b.pid, b.relation, b.confidence);
    });
    statements.erase(std::unique(statements.begin(), statements.end(),
                                 [&](const Statement& a, const Statement& b) { return key(a) == key(b); }),
                     statements.end());

    std::vector<Edge> edges;
    for (auto& statement : statements) {
        if (edges.empty() || edges.back().object != statement.object) {
            if (!edges.empty()) edges.back().valid_to = statement.at;
            edges.push_back({statement.object, statement.at, std::nullopt, {}});
        }
        edges.back().statements.push_back(std::move(statement));
    }
    return edges;
}

std::vector<Statement> statements_of(const std::vector<Edge>& edges) {
    std::vector<Statement> all;
    for (const auto& edge : edges) all.insert(all.end(), edge.statements.begin(), edge.statements.end());
    return all;
}

std::string to_property(const Edge& edge) {
    if (edge.statements.size() < 2) return {};
    auto list = nlohmann::json::array();
    for (std::size_t at = 1; at < edge.statements.size(); ++at) {
        const auto& said = edge.statements[at];
        list.push_back({{"at", said.at},
                        {"pid", said.pid},
                        {"confidence", said.confidence},
                        {"relation", said.relation}});
    }
    return list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<Statement> from_property(std::string_view json, const std::string& object) {
    // A list of flat objects of five values; copying what nests a million levels would overflow the stack.
    constexpr int deepest = 2;
    constexpr std::size_t most_values = 500'000;
    if (!json_fits(json, deepest, most_values)) return {};
    std::vector<Statement> statements;
    const auto list = nlohmann::json::parse(json, nullptr, false);
    if (!list.is_array()) return {};
    for (const auto& said : list) {
        if (!said.is_object() || !said.value("at", nlohmann::json()).is_string() ||
            !said.value("pid", nlohmann::json()).is_string() ||
            !said.value("relation", nlohmann::json()).is_string() ||
            !said.value("confidence", nlohmann::json()).is_number())
            return {};
        statements.push_back({said["at"], object, said["pid"], said["confidence"], said["relation"]});
    }
    return statements;
}

}  // namespace memoir::graph
