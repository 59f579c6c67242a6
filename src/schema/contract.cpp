#include "schema/contract.hpp"

#include <algorithm>
#include <array>

#include "base/failure.hpp"
#include "pg/name.hpp"
#include "schema/schema.hpp"

namespace memoir::schema {
namespace {

constexpr std::string_view timestamp = "timestamp with time zone";

constexpr std::array columns{
    Column{"memories", "id", "bigint", 1},
    Column{"memories", "pid", "text", 1},
    Column{"memories", "agent_id", "text", 1},
    Column{"memories", "org_id", "text", 1},
    Column{"memories", "user_id", "text", 1},
    Column{"memories", "content", "text", 1},
    Column{"memories", "metadata", "jsonb", 1},
    Column{"memories", "kind", "text", 1},
    Column{"memories", "qdrant_status", "text", 1},
    Column{"memories", "created_at", timestamp, 1},
    Column{"memories", "updated_at", timestamp, 1},
    Column{"memories", "source_pid", "text", 1},
    Column{"memories", "superseded_by", "text", 3},
    Column{"memories", "event_at", timestamp, 4},
    Column{"memories", "confidence", "smallint", 6},
    Column{"memories", "category", "text", 6},
    Column{"memories", "retirement_reason", "text", 6},
    Column{"memory_jobs", "id", "bigint", 2},
    Column{"memory_jobs", "source_pid", "text", 2},
    Column{"memory_jobs", "kind", "text", 2},
    Column{"memory_jobs", "state", "text", 2},
    Column{"memory_jobs", "payload", "jsonb", 2},
    Column{"memory_jobs", "attempts", "integer", 2},
    Column{"memory_jobs", "failure_reason", "text", 2},
    Column{"memory_jobs", "claimed_at", timestamp, 2},
    Column{"memory_jobs", "claimed_by", "text", 2},
    Column{"memory_jobs", "created_at", timestamp, 2},
    Column{"memory_jobs", "updated_at", timestamp, 2},
    Column{"supersession_events", "id", "bigint", 5},
    Column{"supersession_events", "loser_pid", "text", 5},
    Column{"supersession_events", "winner_pid", "text", 5},
    Column{"supersession_events", "decided_at", timestamp, 5},
    Column{"graph_triple_staging", "source_pid", "text", 11},
    Column{"graph_triple_staging", "triples", "jsonb", 11},
    Column{"graph_triple_staging", "created_at", timestamp, 11},
};

constexpr std::array<std::string_view, 11> versions{
    "m20000000_000001_create_memories",
    "m20000000_000002_create_memory_jobs",
    "m20000000_000003_add_superseded_by",
    "m20000000_000004_add_event_at",
    "m20000000_000005_create_supersession_events",
    "m20000000_000006_add_confidence_category_retirement",
    "m20000000_000007_add_categorize_job_kind",
    "m20000000_000008_add_reprocess_job_kind",
    "m20000000_000009_add_relational_extract_job_kind",
    "m20000000_000010_add_synthesize_job_kind",
    "m20000000_000011_create_graph_triple_staging",
};

// The statements use `$s` for the schema's name: it was checked, and it stands in function bodies too, where
// no parameter can.
constexpr std::string_view statements[]{
    "create schema if not exists $s",
    R"(create table $s.memories (
  id bigserial primary key,
  pid text not null unique,
  agent_id text not null,
  org_id text not null,
  user_id text not null,
  content text not null,
  metadata jsonb not null default '{}',
  kind text not null default 'episodic'
    constraint memories_kind_check check (kind in ('episodic', 'semantic')),
  qdrant_status text not null default 'pending'
    constraint memories_qdrant_status_check check (qdrant_status in ('pending', 'indexed', 'failed')),
  created_at timestamptz not null default current_timestamp,
  updated_at timestamptz not null default current_timestamp,
  source_pid text references $s.memories (pid) on delete cascade,
  superseded_by text references $s.memories (pid) on delete set null,
  event_at timestamptz,
  confidence smallint not null default 100
    constraint memories_confidence_check check (confidence between 0 and 100),
  category text,
  retirement_reason text
    constraint memories_retirement_reason_check check (retirement_reason in ('rejected', 'stale'))
))",
    "create index memories_scope_idx on $s.memories (agent_id, org_id, user_id)",
    "create index memories_kind_scope_idx on $s.memories (kind, agent_id, org_id, user_id)",
    "create index memories_qdrant_status_idx on $s.memories (qdrant_status) where qdrant_status <> 'indexed'",
    "create index memories_source_pid_idx on $s.memories (source_pid) where source_pid is not null",
    "create index memories_superseded_by_idx on $s.memories (superseded_by) where superseded_by is not null",
    "create index memories_event_at_idx on $s.memories (event_at) where event_at is not null",
    R"(create index memories_retirement_reason_idx on $s.memories (retirement_reason) where retirement_reason is not
null)",
    R"(create or replace function $s.update_updated_at_column() returns trigger language plpgsql as $body$
begin
  new.updated_at = current_timestamp;
  return new;
end
$body$)",
    "create trigger set_updated_at before update on $s.memories "
    "for each row execute function $s.update_updated_at_column()",
    R"(create table $s.memory_jobs (
  id bigserial primary key,
  source_pid text not null references $s.memories (pid) on delete cascade,
  kind text not null constraint memory_jobs_kind_check
    check (kind in ('embed', 'extract', 'categorize', 'reprocess', 'relational_extract', 'synthesize')),
  state text not null default 'pending'
    constraint memory_jobs_state_check check (state in ('pending', 'claimed', 'failed')),
  payload jsonb not null default '{}',
  attempts integer not null default 0,
  failure_reason text,
  claimed_at timestamptz,
  claimed_by text,
  created_at timestamptz not null default current_timestamp,
  updated_at timestamptz not null default current_timestamp
))",
    "create index memory_jobs_pending_idx on $s.memory_jobs (created_at) where state = 'pending'",
    "create index memory_jobs_claimed_idx on $s.memory_jobs (claimed_at) where state = 'claimed'",
    "create trigger set_updated_at before update on $s.memory_jobs "
    "for each row execute function $s.update_updated_at_column()",
    R"(create table $s.supersession_events (
  id bigserial primary key,
  loser_pid text not null references $s.memories (pid) on delete cascade,
  winner_pid text references $s.memories (pid) on delete set null,
  decided_at timestamptz not null default now(),
  constraint supersession_events_check check (loser_pid <> winner_pid)
))",
    "create index supersession_events_loser_decided_idx on $s.supersession_events (loser_pid, decided_at "
    "desc)",
    "create index supersession_events_decided_at_idx on $s.supersession_events (decided_at desc)",
    // The library's own body relies on the caller's search_path; a fixed one works for every caller.
    R"(create or replace function $s.sync_superseded_by_cache() returns trigger language plpgsql
set search_path = $s, pg_temp as $body$
begin
  update memories set superseded_by = (
    select e.winner_pid from supersession_events e where e.loser_pid = new.loser_pid
    order by e.decided_at desc, e.id desc limit 1)
  where pid = new.loser_pid;
  return new;
end
$body$)",
    "create trigger sync_superseded_by_cache after insert on $s.supersession_events "
    "for each row execute function $s.sync_superseded_by_cache()",
    R"(create table $s.graph_triple_staging (
  source_pid text primary key references $s.memories (pid) on delete cascade,
  triples jsonb not null default '[]',
  created_at timestamptz not null default current_timestamp
))",
    "create table $s.memoir_core_migrations (version varchar primary key, applied_at bigint not null)",
};

}  // namespace

std::span<const Column> fixed_columns() {
    return columns;
}
std::span<const std::string_view> migrations() {
    return versions;
}

std::string with_schema(std::string_view statement, const std::string& schema) {
    std::string sql(statement);
    for (auto at = sql.find("$s"); at != std::string::npos; at = sql.find("$s", at))
        sql.replace(at, 2, '"' + schema + '"');
    return sql;
}

void require_valid_name(const std::string& schema) {
    const auto letter = [](char c) { return c == '_' || (c >= 'a' && c <= 'z'); };
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    const bool valid =
        !schema.empty() && schema.size() <= 63 && letter(schema.front()) &&
        std::all_of(schema.begin(), schema.end(), [&](char c) { return letter(c) || digit(c); });
    if (!valid)
        throw StartError("database.schema is not a name that memoird can use",
                         "set database.schema to a name of a-z, 0-9 and _ that does not begin with a digit");
}

std::vector<std::string> contract_ddl(const std::string& schema) {
    require_valid_name(schema);
    std::vector<std::string> ddl;
    for (const auto statement : statements) ddl.push_back(with_schema(statement, schema));
    std::string ledger = "insert into " + pg::qualified(schema, ledger_table) +
                         " (version, applied_at) select v, extract(epoch from clock_timestamp())::bigint "
                         "from unnest(array[";
    for (const auto version : versions) ledger += "'" + std::string(version) + "',";
    ledger.back() = ']';
    ddl.push_back(ledger + ") v");
    return ddl;
}

}  // namespace memoir::schema
