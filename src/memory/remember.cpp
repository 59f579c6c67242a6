#include "memory/remember.hpp"

#include <stdexcept>

#include "base/random_id.hpp"
#include "pg/name.hpp"

namespace memoir::memory {
namespace {

// libpq would cut the text there without a word.
const std::string& without_nul(const std::string& text, const char* what) {
    if (text.find('\0') != std::string::npos)
        throw std::invalid_argument(std::string(what) +
                                    " holds a NUL character, which PostgreSQL cannot store");
    return text;
}

}  // namespace

std::vector<std::string> remember(pg::Transaction& transaction, const std::string& schema,
                                  std::span<const NewMemory> memories, const Enqueue& enqueue) {
    if (memories.empty()) return {};
    std::vector<std::string> pids, agents, orgs, users, contents, metadata;
    std::vector<std::optional<std::string>> events;
    for (const auto& memory : memories) {
        pids.push_back(random_pid());
        agents.push_back(without_nul(memory.agent_id, "agent"));
        orgs.push_back(without_nul(memory.org_id, "org"));
        users.push_back(without_nul(memory.user_id, "user"));
        contents.push_back(without_nul(memory.content, "content"));
        metadata.push_back(without_nul(memory.metadata, "metadata"));
        events.push_back(memory.event_at);
    }
    std::vector<std::string> kinds{"embed"};
    if (enqueue.extract) kinds.emplace_back("extract");
    if (enqueue.relational_extract) kinds.emplace_back("relational_extract");

    // A microsecond apart: readers sort by created_at alone, and rows of one statement would share it.
    const std::string at = "t.now + (n - 1) * interval '1 microsecond'";
    const std::vector<pg::Statement> statements{
        {"insert into " + pg::qualified(schema, "memories") +
             " (pid, agent_id, org_id, user_id, content, metadata, event_at, created_at, "
             "updated_at) "
             "select pid, agent, org, usr, content, metadata::jsonb, event::timestamptz, " +
             at + ", " + at +
             " from (select clock_timestamp() as now) t, unnest($1::text[], $2::text[], $3::text[], "
             "$4::text[], "
             "$5::text[], $6::text[], $7::text[]) with ordinality "
             "as m (pid, agent, org, usr, content, metadata, event, n) order by n",
         pg::Params()
             .array(pids)
             .array(agents)
             .array(orgs)
             .array(users)
             .array(contents)
             .array(metadata)
             .array(events)},
        {"insert into " + pg::qualified(schema, "memory_jobs") +
             " (source_pid, kind, payload, created_at, updated_at) "
             "select pid, kind, '{\"origin\": \"remember\"}', " +
             at + ", " + at +
             " from (select clock_timestamp() as now) t, unnest($1::text[]) with ordinality as m (pid, n), "
             "unnest($2::text[]) with ordinality as k (kind, i) order by n, i",
         pg::Params().array(pids).array(kinds)},
    };
    transaction.pipeline(statements);
    return pids;
}

}  // namespace memoir::memory
