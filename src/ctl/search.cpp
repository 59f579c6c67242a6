#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>

#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/context.hpp"
#include "ctl/scope_options.hpp"
#include "ctl/table.hpp"
#include "memory/summary.hpp"
#include "model/embedder.hpp"
#include "vector/index.hpp"

namespace memoir::ctl {
namespace {

// Superseded memories keep their points, so the index is asked for more than is shown; no further than this.
constexpr int widest_search = 4'096;

struct Found {
    double score;
    memory::Summary row;
};

std::vector<Found> find(Context& context, vector::Query query, const memory::ScopeFilter& filter, int limit,
                        bool with_content) {
    for (query.limit = 2 * limit;; query.limit *= 4) {
        const auto hits = context.index().search(query, {});
        std::vector<std::string> pids;
        for (const auto& hit : hits) pids.push_back(hit.pid);
        std::map<std::string, memory::Summary> rows;
        for (auto& row : memory::summaries(context.database(), context.schema(), filter, pids, with_content))
            rows.emplace(row.pid, std::move(row));
        std::vector<Found> found;
        for (const auto& hit : hits)
            if (const auto row = rows.find(hit.pid);
                row != rows.end() && found.size() < static_cast<std::size_t>(limit))
                found.push_back({hit.score, row->second});
        const bool all = hits.size() < static_cast<std::size_t>(query.limit);
        if (all || found.size() == static_cast<std::size_t>(limit) || query.limit >= widest_search)
            return found;
    }
}

nlohmann::json found_json(const std::vector<Found>& found) {
    auto list = nlohmann::json::array();
    for (const auto& [score, row] : found) {
        nlohmann::json entry{{"pid", row.pid},
                             {"score", score},
                             {"agent", agent_json(row.agent_id)},
                             {"org", org_json(row.org_id)},
                             {"kind", row.kind},
                             {"category", nullptr},
                             {"length", row.length},
                             {"confidence", row.confidence},
                             {"created_at", row.created_at}};
        if (row.category) entry["category"] = *row.category;
        if (row.content) entry["content"] = *row.content;
        list.push_back(std::move(entry));
    }
    return list;
}

std::string score_text(double score) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "%.3f", score);
    return text.data();
}

void write_found(std::ostream& out, const std::vector<Found>& found, const memory::ScopeFilter& filter) {
    if (found.empty()) {
        out << "nothing found in this scope\n";
        return;
    }
    // Content comes last on its line, whatever its length.
    std::vector<Table::Column> columns{{"SCORE", Table::Align::right}, {"PID"}};
    if (!filter.agent_id) columns.push_back({"AGENT"});
    if (!filter.org_id) columns.push_back({"ORG"});
    columns.insert(columns.end(), {{"KIND"}, {"CATEGORY"}, {"LENGTH", Table::Align::right}});
    const bool content = found.front().row.content.has_value();
    if (content) columns.push_back({"CONTENT"});
    Table table(std::move(columns));
    for (const auto& [score, row] : found) {
        std::vector<std::string> cells{score_text(score), row.pid};
        if (!filter.agent_id) cells.push_back(shown_agent(row.agent_id));
        if (!filter.org_id) cells.push_back(shown_org(row.org_id));
        cells.insert(cells.end(), {row.kind, row.category.value_or("-"), std::to_string(row.length)});
        if (content) cells.push_back(row.content.value_or(""));
        table.add(std::move(cells));
    }
    out << table;
}

int run(Context& context, const Arguments& arguments) {
    const auto filter = read_scope(arguments);
    vector::Query query;
    query.agent_id = filter.agent_id;
    query.org_id = filter.org_id;
    query.user_id = arguments.need("user");
    if (arguments.rest().size() != 1) throw Usage("give one TEXT (in quotes)");
    query.kind = arguments.get("kind");
    const auto limit = static_cast<int>(std::min<std::int64_t>(arguments.integer("limit", 10, 1), 1'000));

    context.database();  // the cheaper thing to fail first
    query.vector = context.embedder().embed(std::array{arguments.rest()[0]}, {}).at(0);
    const auto found = find(context, std::move(query), filter, limit, arguments.has("content"));
    context.print({{"hits", found_json(found)}}, [&](std::ostream& out) { write_found(out, found, filter); });
    return ok;
}

}  // namespace

Command search_command() {
    return {
        "search",
        "TEXT",
        "the nearest active memories of a user",
        {{"user", "U", "whose memories"},
         {"agent", "A", "of this agent only"},
         {"org", "O", "of this organisation only"},
         {"kind", "K", "of this kind of memory only", {"episodic", "semantic"}},
         {"limit", "N", "at most N (default 10)"},
         {"content", "", "show what was said, too"}},
        run,
        "Embeds TEXT with the configured model and asks the index. Shows no content unless --content "
        "asks for it. Without --agent or --org it looks across them, and shows them with each memory; - is a "
        "memory that has none.",
        Rights::read};
}

}  // namespace memoir::ctl
