#include "schema/additions.hpp"

#include "pg/name.hpp"
#include "schema/contract.hpp"

namespace memoir::schema {
namespace {

// Postgres cuts no channel name, it refuses it, and a refused pg_notify would fail the writer's insert.
constexpr std::size_t longest_channel = 63;

constexpr Index indexes[]{
    {"memoird_jobs_pending_idx", "memory_jobs", "(kind, created_at, id) where state = 'pending'",
     "claims stay cheap behind a backlog of other kinds", &Additions::pending_index},
    {"memoird_jobs_source_idx", "memory_jobs", "(source_pid)",
     "the fan-in and deletes of memories find jobs without scanning the queue", &Additions::source_index},
    {"memoird_jobs_failed_idx", "memory_jobs", "(kind, updated_at) where state = 'failed'",
     "failed jobs are counted and listed without scanning the queue", &Additions::failed_index},
    {"memoird_jobs_parked_idx", "memory_jobs",
     "(kind, claimed_at) where state = 'claimed' and claimed_by = 'parked'",
     "parked jobs that are due are found without scanning all claims", &Additions::parked_index},
    // The library's own begins with the agent, which a reader need not name.
    {"memoird_memories_user_idx", "memories", "(user_id, agent_id, org_id)",
     "a user's memories are found across agents and organisations without scanning all memories",
     &Additions::user_index},
};

constexpr Table tables[]{
    {"memoird_vectors",
     R"((
  pid text primary key references $s.memories (pid) on delete cascade,
  model text not null,
  vector real[] not null
))",
     "vector.backend = \"postgres\" can store its vectors", "select, insert, update, delete",
     &Additions::vectors},
    {"memoird_replies",
     R"((
  source_pid text not null references $s.memories (pid) on delete cascade,
  kind text not null,
  request_hash text not null,
  reply jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (source_pid, kind, request_hash)
))",
     "a paid model reply survives a crash before its job is settled", "select, insert, update, delete",
     &Additions::replies},
    // The daemon only reads pauses; `memoirctl pause` writes them with the same configuration.
    {"memoird_pauses",
     R"((
  kind text primary key,
  paused_at timestamptz not null default clock_timestamp(),
  paused_by text not null
))",
     "memoirctl pause works for the whole fleet", "select, insert, update, delete", &Additions::pauses},
    {"memoird_hosts",
     R"((
  nonce text primary key,
  host text not null,
  pid integer not null,
  version text not null,
  kinds text[] not null,
  endpoints jsonb not null default '[]',
  seen_at timestamptz not null default clock_timestamp(),
  draining_since timestamptz
))",
     "memoirctl status and jobs why know which hosts are alive and what they serve",
     "select, insert, update, delete", &Additions::hosts},
    {"memoird_duties",
     R"((
  name text primary key,
  nonce text not null,
  until timestamptz not null
))",
     "duties that one process can do for the whole fleet are done only once",
     "select, insert, update, delete", &Additions::duties},
    {"memoird_settings",
     R"((
  name text primary key,
  value text not null
))",
     "a release that its peers cannot work beside does not start, and memoirctl backends probe reaches all hosts",
     "select, insert, update", &Additions::settings},
};

constexpr AddedColumn columns[]{
    {"memoird_hosts", "draining_since", "timestamptz", &Additions::draining_since},
};

constexpr Need needs[]{
    // `update` covers the row locks of the settles, too. memoird deletes no memory.
    {"memories", "select, insert, update", true},
    {"memory_jobs", "select, insert, update, delete", true},
    {"graph_triple_staging", "select, insert, update, delete", false},
};

}  // namespace

std::span<const Index> our_indexes() {
    return indexes;
}
std::span<const Table> our_tables() {
    return tables;
}
std::span<const AddedColumn> our_columns() {
    return columns;
}
std::span<const Need> fixed_needs() {
    return needs;
}

std::string Index::create_sql(const std::string& schema, bool concurrently) const {
    return std::string("create index ") + (concurrently ? "concurrently " : "") + "if not exists " +
           std::string(name) + " on " + pg::qualified(schema, table) + " " + std::string(definition);
}

std::string Table::create_sql(const std::string& schema) const {
    return "create table if not exists " + pg::qualified(schema, name) + " " +
           with_schema(definition, schema);
}

std::string AddedColumn::create_sql(const std::string& schema) const {
    return "alter table " + pg::qualified(schema, table) + " add column if not exists " + std::string(name) +
           " " + std::string(type);
}

std::string settings_sql(const std::string& schema) {
    return "insert into " + pg::qualified(schema, "memoird_settings") +
           " (name, value) values ('lowest_protocol', '1') on conflict (name) do nothing";
}

std::string channel(const std::string& schema) {
    return ("memoird_" + schema).substr(0, longest_channel);
}

// A transaction that notifies holds a lock of the whole database until its commit is on disk: with one of
// them after the other 32 clients got 280 inserts a second done where 5,564 were possible. So only one of
// those that insert at the same time notifies; what the others insert is found by the looks that follow a
// claim, or by the next poll.
std::string notify_function_ddl(const std::string& schema) {
    return "create or replace function " + pg::qualified(schema, notify_name) +
           "() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $body$\n"
           "declare\n"
           "  k text;\n"
           "begin\n"
           "  for k in select distinct kind from added loop\n"
           "    if " +
           std::string(notify_mark) + "(hashtextextended('memoird_" + schema +
           "' || k, 0)) then\n"
           "      perform pg_notify('" +
           channel(schema) +
           "', k);\n"
           "    end if;\n"
           "  end loop;\n"
           "  return null;\n"
           "end\n"
           "$body$";
}

std::string notify_trigger_ddl(const std::string& schema) {
    return "create trigger " + std::string(notify_name) + " after insert on " +
           pg::qualified(schema, "memory_jobs") +
           " referencing new table as added for each statement execute function " +
           pg::qualified(schema, notify_name) + "()";
}

std::vector<std::string> advice(const Additions& additions) {
    std::vector<std::string> lines;
    for (const auto& index : indexes)
        if (!(additions.*index.present))
            lines.push_back("without the index " + std::string(index.name) + ": with it, " +
                            std::string(index.gain));
    for (const auto& table : tables)
        if (!(additions.*table.present))
            lines.push_back("without the table " + std::string(table.name) + ": with it, " +
                            std::string(table.gain));
    if (!additions.notify)
        lines.push_back("without the trigger " + std::string(notify_name) +
                        ": with it, new jobs are claimed at once instead of at the next poll");
    if (additions.notify_serial)
        lines.push_back("the trigger " + std::string(notify_name) +
                        " is that of 0.1.0: the current one lets writers commit concurrently");
    for (const auto& column : columns)
        if (additions.hosts && !(additions.*column.present))
            lines.push_back("without the column " + std::string(column.table) + "." +
                            std::string(column.name) +
                            ": with it, killing a process while it drains costs its jobs no attempt");
    return lines;
}

std::vector<std::string> split_privileges(std::string_view privileges) {
    std::vector<std::string> words;
    for (std::size_t at = 0; at < privileges.size();) {
        const auto end = std::min(privileges.find(", ", at), privileges.size());
        words.emplace_back(privileges.substr(at, end - at));
        at = end + 2;
    }
    return words;
}

}  // namespace memoir::schema
