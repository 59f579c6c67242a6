#pragma once
// Semantic memories: what was derived from an episodic one. Written, looked at and retired inside a settle
// whose caller holds the source's lock; nothing but such settles derives anything, so that what is read here
// under that lock stands. Thread safety: functions; one connection at a time.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "memory/memory.hpp"
#include "pg/connection.hpp"

namespace memoir::memory {

// A semantic row of a source, retired and superseded ones included.
struct Derived {
    std::string pid;
    std::int64_t created_us = 0;  // since the epoch; ±infinity: the ends of the range
    bool active = false;
};
// In the order of their pids.
std::vector<Derived> derived(pg::Connection& connection, const std::string& schema,
                             const std::string& source_pid);
std::vector<std::string> pids(std::span<const Derived> rows);

// A memory and what was derived from it, in one round trip. nullopt: it does not exist. `content_limit` as in
// load().
struct Lineage {
    Memory memory;
    std::vector<Derived> derived;
};
std::optional<Lineage> load_lineage(pg::Connection& connection, const std::string& schema,
                                    const std::string& pid, int content_limit);

struct NewFact {
    std::string content;
    int confidence = 100;                 // 0 to 100
    std::optional<std::string> event_at;  // RFC 3339
};

struct Origin {
    std::string provider, model;  // of the chat model, as configured
};

// Inserts the facts in their order, created_at strictly increasing, each with its embed job and, where
// `categorize`, its categorize job; deferred.
void insert_facts(pg::Transaction& transaction, const std::string& schema, const Memory& source,
                  std::span<const NewFact> facts, const Origin& origin, bool categorize);

// Locks the active semantic memories of the source and retires them. Returns their pids. Throws
// pg::Error(transaction) when somebody has one of them locked: the caller starts over.
std::vector<std::string> retire_derived(pg::Transaction& transaction, const std::string& schema,
                                        const std::string& source_pid, const std::string& reason);

// What a person said about a memory, as an episodic memory with the given pid in the same scope, and its
// embed job, no other.
void insert_feedback(pg::Transaction& transaction, const std::string& schema, const Scope& scope,
                     const std::string& pid, const std::string& content);

// The classifier's label. The caller holds the rows' locks. A row that says so already is left alone.
void set_categories(pg::Transaction& transaction, const std::string& schema,
                    std::span<const std::string> pids, std::span<const std::string> categories);

}  // namespace memoir::memory
