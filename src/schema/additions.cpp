#include "schema/additions.hpp"

#include "pg/name.hpp"
#include "schema/contract.hpp"

namespace memoir::schema {
namespace {

// Postgres cuts no channel name, it refuses it, and a refused pg_notify would fail the writer's insert.
constexpr std::size_t longest_channel = 63;

constexpr Index indexes[]{
    {"memoird_jobs_pending_idx", "(kind, created_at, id) where state = 'pending'",
     "claims stay cheap behind a backlog of other kinds", &Additions::pending_index},
    {"memoird_jobs_source_idx", "(source_pid)",
     "the fan-in and every delete of a memory find their jobs without a scan of the queue",
     &Additions::source_index},
    {"memoird_jobs_failed_idx", "(kind, updated_at) where state = 'failed'",
     "failed jobs are counted and listed without a scan of the queue", &Additions::failed_index},
};

constexpr Table tables[]{
    {"memoird_vectors",
     R"((
  pid text primary key references $s.memories (pid) on delete cascade,
  model text not null,
  vector real[] not null
))",
     "vector.backend = \"postgres\" has a place for its vectors", "select, insert, update, delete",
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
     "a reply that a model was paid for survives a crash before its job is settled",
     "select, insert, update, delete", &Additions::replies},
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
  seen_at timestamptz not null default clock_timestamp()
))",
     "memoirctl status and jobs why know which hosts are alive and what they serve",
     "select, insert, update, delete", &Additions::hosts},
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
std::span<const Need> fixed_needs() {
    return needs;
}

std::string Index::create_sql(const std::string& schema, bool concurrently) const {
    return std::string("create index ") + (concurrently ? "concurrently " : "") + "if not exists " +
           std::string(name) + " on " + pg::qualified(schema, "memory_jobs") + " " + std::string(definition);
}

std::string Table::create_sql(const std::string& schema) const {
    return "create table if not exists " + pg::qualified(schema, name) + " " +
           with_schema(definition, schema);
}

std::string channel(const std::string& schema) {
    return ("memoird_" + schema).substr(0, longest_channel);
}

std::vector<std::string> notify_ddl(const std::string& schema) {
    const std::string function = pg::qualified(schema, notify_name);
    return {"create or replace function " + function +
                "() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $body$\n"
                "begin\n"
                "  perform pg_notify('" +
                channel(schema) +
                "', k.kind) from (select distinct kind from added) k;\n"
                "  return null;\n"
                "end\n"
                "$body$",
            "create trigger " + std::string(notify_name) + " after insert on " +
                pg::qualified(schema, "memory_jobs") +
                " referencing new table as added for each statement execute function " + function + "()"};
}

std::vector<std::string> advice(const Additions& additions) {
    std::vector<std::string> lines;
    for (const auto& index : indexes)
        if (!(additions.*index.present))
            lines.push_back("without the index " + std::string(index.name) + ": with it " +
                            std::string(index.gain));
    for (const auto& table : tables)
        if (!(additions.*table.present))
            lines.push_back("without the table " + std::string(table.name) + ": with it " +
                            std::string(table.gain));
    if (!additions.notify)
        lines.push_back("without the trigger " + std::string(notify_name) +
                        ": with it new jobs are picked up at once instead of at the next poll");
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
