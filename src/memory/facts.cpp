#include "memory/facts.hpp"

#include <nlohmann/json.hpp>

#include "base/random_id.hpp"
#include "pg/name.hpp"

namespace memoir::memory {

namespace {
// A microsecond apart: readers sort by created_at alone, and rows of one statement would share it.
constexpr const char* at = "t.now + (n - 1) * interval '1 microsecond'";

pg::Statement derived_statement(const std::string& schema, const std::string& source_pid) {
    return {
        "select pid, case when isfinite(created_at) then (extract(epoch from created_at) * 1000000)::bigint "
        "when created_at > 'epoch' then 9223372036854775807 else -9223372036854775808 end, "
        "superseded_by is null and retirement_reason is null from " +
            pg::qualified(schema, "memories") + " where source_pid = $1 and kind = 'semantic' order by pid",
        pg::Params().add(source_pid), true};
}

std::vector<Derived> derived_rows(const pg::Result& result) {
    std::vector<Derived> rows;
    for (int row = 0; row < result.rows(); ++row)
        rows.push_back({result.string(row, 0), result.integer(row, 1), result.boolean(row, 2)});
    return rows;
}

}  // namespace

std::vector<Derived> derived(pg::Connection& connection, const std::string& schema,
                             const std::string& source_pid) {
    const auto statement = derived_statement(schema, source_pid);
    return derived_rows(connection.exec(statement));
}

std::optional<Lineage> load_lineage(pg::Connection& connection, const std::string& schema,
                                    const std::string& pid, int content_limit) {
    const std::vector<pg::Statement> statements{load_statement(schema, std::span(&pid, 1), content_limit),
                                                derived_statement(schema, pid)};
    const auto results = connection.exec(statements);
    auto found = loaded(results[0]);
    if (found.empty()) return std::nullopt;
    return Lineage{std::move(found.front()), derived_rows(results[1])};
}

std::vector<std::string> pids(std::span<const Derived> rows) {
    std::vector<std::string> list;
    for (const auto& row : rows) list.push_back(row.pid);
    return list;
}

void insert_facts(pg::Transaction& transaction, const std::string& schema, const Memory& source,
                  std::span<const NewFact> facts, const Origin& origin, bool categorize) {
    if (facts.empty()) return;
    std::vector<std::string> pids, contents;
    std::vector<std::int64_t> confidences;
    std::vector<std::optional<std::string>> events;
    for (const auto& fact : facts) {
        pids.push_back(random_pid());
        contents.push_back(fact.content);
        confidences.push_back(fact.confidence);
        events.push_back(fact.event_at);
    }
    const nlohmann::json metadata{
        {"origin", "extraction"}, {"provider", origin.provider}, {"model", origin.model}};
    std::vector<std::string> kinds{"embed"};
    if (categorize) kinds.emplace_back("categorize");
    transaction.defer(
        {"insert into " + pg::qualified(schema, "memories") +
             " (pid, agent_id, org_id, user_id, content, metadata, kind, source_pid, event_at, confidence, "
             "created_at, updated_at) select pid, $1, $2, $3, content, $4::jsonb, 'semantic', $5, "
             "event::timestamptz, confidence, " +
             at + ", " + at +
             " from (select clock_timestamp() as now) t, unnest($6::text[], $7::text[], $8::bigint[], "
             "$9::text[]) with ordinality as f (pid, content, confidence, event, n) order by n",
         pg::Params()
             .add(source.scope.agent_id)
             .add(source.scope.org_id)
             .add(source.scope.user_id)
             .add(metadata.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))
             .add(source.pid)
             .array(pids)
             .array(contents)
             .array(confidences)
             .array(events),
         true});
    transaction.defer(
        {"insert into " + pg::qualified(schema, "memory_jobs") +
             " (source_pid, kind, payload, created_at, updated_at) select pid, kind, '{\"origin\": "
             "\"extraction\"}', " +
             at + ", " + at +
             " from (select clock_timestamp() as now) t, unnest($1::text[]) with ordinality as f (pid, n), "
             "unnest($2::text[]) with ordinality as k (kind, i) order by n, i",
         pg::Params().array(pids).array(kinds), true});
}

std::vector<std::string> retire_derived(pg::Transaction& transaction, const std::string& schema,
                                        const std::string& source_pid, const std::string& reason) {
    std::vector<std::string> active;
    for (const auto& row : derived(transaction.connection(), schema, source_pid))
        if (row.active) active.push_back(row.pid);
    if (active.empty()) return {};
    const auto locked = memory::lock(transaction, schema, active);
    // Passed over: an agent that deletes or edits one of them comes first.
    if (locked.size() != active.size())
        throw pg::Error(pg::ErrorClass::transaction, "55P03", "a semantic memory is locked");
    transaction.exec("update " + pg::qualified(schema, "memories") +
                         " set retirement_reason = $2 where pid = any($1::text[]) and retirement_reason is "
                         "null",
                     pg::Params().array(active).add(reason));
    return active;
}

void insert_feedback(pg::Transaction& transaction, const std::string& schema, const Scope& scope,
                     const std::string& pid, const std::string& content) {
    const std::vector<pg::Statement> statements{
        {"insert into " + pg::qualified(schema, "memories") +
             " (pid, agent_id, org_id, user_id, content, metadata, created_at, updated_at) select $1, $2, "
             "$3, $4, $5, '{\"origin\": \"feedback\"}', now, now from (select clock_timestamp() as now) t",
         pg::Params().add(pid).add(scope.agent_id).add(scope.org_id).add(scope.user_id).add(content)},
        {"insert into " + pg::qualified(schema, "memory_jobs") +
             " (source_pid, kind, payload, created_at, updated_at) select $1, 'embed', '{\"origin\": "
             "\"feedback\"}', now, now from (select clock_timestamp() as now) t",
         pg::Params().add(pid)},
    };
    transaction.pipeline(statements);
}

void set_categories(pg::Transaction& transaction, const std::string& schema,
                    std::span<const std::string> pids, std::span<const std::string> categories) {
    transaction.exec("update " + pg::qualified(schema, "memories") +
                         " m set category = c.category from (select distinct on (pid) * from "
                         "unnest($1::text[], $2::text[]) as c (pid, category)) c where m.pid = c.pid and "
                         "m.category is distinct from c.category",
                     pg::Params().array(pids).array(categories));
}

}  // namespace memoir::memory
