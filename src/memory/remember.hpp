#pragma once
// Stores memories as the library's writers do: the row, and the jobs that this deployment's stages ask for.
// Thread safety: functions over the caller's transaction.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pg/connection.hpp"

namespace memoir::memory {

struct NewMemory {
    std::string agent_id, org_id, user_id;  // as stored
    std::string content;
    std::string metadata = "{}";  // JSON text
    std::optional<std::string> event_at =
        {};  // anything PostgreSQL reads as a timestamptz; UTC unless it says
};

// What is enqueued beside `embed`: the writer's configuration decides (docs/contract.md, "Job payloads").
struct Enqueue {
    bool extract = false;             // an extraction LLM is configured
    bool relational_extract = false;  // a graph and a relational LLM are configured
};

// Inserts episodic memories, oldest first, and their jobs with origin `remember`. Returns their pids in
// order. Throws std::invalid_argument for text that no row can hold (U+0000), pg::Error(data) for a bad
// event_at.
std::vector<std::string> remember(pg::Transaction& transaction, const std::string& schema,
                                  std::span<const NewMemory> memories, const Enqueue& enqueue);

}  // namespace memoir::memory
