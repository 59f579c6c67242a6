#pragma once
// The journal of paid replies, memoird_replies: what a model was paid for survives whatever happens between
// the reply's arrival and the settle of its job. An entry is kept durably before anything else is done with
// the reply, removed by the settle, and gone after seven days at the latest. Where the database does not take
// it, this process remembers it meanwhile. Without the table nothing is kept, and a retry pays again.
// Thread safety: all of Replies.

#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <tuple>

#include "pg/pool.hpp"

namespace memoir::memory {

class Replies {
  public:
    Replies(pg::Pool& pool, std::string schema) : pool_(pool), schema_(std::move(schema)) {}
    // Whether the table is there (schema::Additions::replies); told before anything else is asked for.
    void found(bool present) { present_ = present; }

    struct Key {
        std::string source_pid, kind, request_hash;
        friend auto operator<=>(const Key&, const Key&) = default;
    };
    // `reply` is JSON text. Waits for a database that is away until `stop`; then it tries once more, shortly.
    void keep(const Key& key, const std::string& reply, const std::stop_token& stop);
    std::optional<std::string> find(const Key& key, const std::stop_token& stop);
    // Inside the settle that the reply was for; deferred.
    void remove(pg::Transaction& transaction, const Key& key);
    // The settle failed for what the reply says: the entry is deleted, so that it is not replayed for ever.
    // Throws nothing: an entry that stays is met again.
    void reject(const Key& key) noexcept;
    // All that was kept of a memory for this kind: a transaction that takes its jobs away.
    void remove_all(pg::Transaction& transaction, const std::string& source_pid, const std::string& kind);
    // The entry of a claim that was lost, unless a job is left that may ask for it. Throws nothing.
    void let_go(const Key& key) noexcept;
    // Deletes entries that nobody will come back for: after an hour where no job of theirs is left (those of
    // reprocess stand under a member's pid: while any such job is left they stay), after seven days in any
    // case. Looks at the next `limit` entries after `after`. Returns where the next slice begins; nothing: it
    // was the last one.
    std::optional<Key> sweep(pg::Connection& connection, const Key& after, int limit);
    bool present() const { return present_; }
    // Writes what this process remembers for a database that was away, where a job still asks for it.
    void flush(const std::stop_token& stop);

  private:
    // `asked_for`: only where a job is left that may ask for it.
    bool write(const Key& key, const std::string& reply, bool asked_for, Milliseconds wait,
               const std::stop_token& stop);
    pg::Statement removal(const Key& key) const;

    pg::Pool& pool_;
    const std::string schema_;
    bool present_ = false;
    std::mutex mutex_;
    std::map<Key, std::string> unwritten_;
    std::size_t unwritten_bytes_ = 0;
};

}  // namespace memoir::memory
