#include "memory/replies.hpp"

#include "base/pause.hpp"
#include "pg/name.hpp"

namespace memoir::memory {

namespace {
constexpr Milliseconds first_pause{50}, longest_pause{2'000};
constexpr Milliseconds connection_wait{5'000};
// After the stop (drain, lost lease): the reply is paid for, so one more try, well inside a drain's slack.
constexpr Milliseconds last_wait{200};
// Replies that wait in this process for a database that is away.
constexpr std::size_t most_unwritten = 1'000, most_unwritten_bytes = 64 << 20;

// A job that may ask for the entry `r`: replies of reprocess stand under a member's pid, not its job's.
std::string asking_job(const std::string& schema, const std::string& pid, const std::string& kind) {
    return "select from " + pg::qualified(schema, "memory_jobs") + " j where j.kind = " + kind +
           " and (j.source_pid = " + pid + " or " + kind + " = 'reprocess')";
}
}  // namespace

// False: not now. A memory that is gone takes no entry, and needs none.
bool Replies::write(const Key& key, const std::string& reply, bool asked_for, Milliseconds wait,
                    const std::stop_token& stop) {
    try {
        auto connection = pool_.acquire(stop, wait);
        pg::Transaction transaction(*connection, pg::Transaction::Durability::on);
        const std::vector<pg::Statement> statements{
            {"insert into " + pg::qualified(schema_, "memoird_replies") +
                 " (source_pid, kind, request_hash, reply) select pid, $2, $3, $4::jsonb from " +
                 pg::qualified(schema_, "memories") + " where pid = $1" +
                 (asked_for ? " and exists (" + asking_job(schema_, "$1", "$2") + ")" : std::string()) +
                 " on conflict (source_pid, kind, request_hash) do update set reply = "
                 "excluded.reply, created_at = clock_timestamp()",
             pg::Params().add(key.source_pid).add(key.kind).add(key.request_hash).add(reply), true}};
        transaction.commit(statements);
        return true;
    } catch (const pg::UnknownOutcome&) {
        return false;  // written twice is written once
    } catch (const pg::Error& error) {
        switch (error.error_class()) {
            case pg::ErrorClass::connection:
            case pg::ErrorClass::resources:
            case pg::ErrorClass::transaction:
            case pg::ErrorClass::cancelled:
                return false;
            default:
                return true;  // it will never be taken (no privilege, gone meanwhile): a retry pays again
        }
    }
}

void Replies::keep(const Key& key, const std::string& reply, const std::stop_token& stop) {
    if (!present_) return;
    auto wait = first_pause;
    while (!stop.stop_requested()) {
        if (write(key, reply, false, connection_wait, stop)) return;
        pause(wait, stop);
        wait = std::min(wait * 2, longest_pause);
    }
    if (write(key, reply, false, last_wait, {})) return;
    std::lock_guard lock(mutex_);
    if (unwritten_.size() >= most_unwritten || unwritten_bytes_ + reply.size() > most_unwritten_bytes) return;
    if (unwritten_.emplace(key, reply).second) unwritten_bytes_ += reply.size();
}

void Replies::flush(const std::stop_token& stop) {
    const auto next = [&](const Key* after) -> std::optional<std::pair<Key, std::string>> {
        std::lock_guard lock(mutex_);
        const auto found = after ? unwritten_.upper_bound(*after) : unwritten_.begin();
        return found == unwritten_.end() ? std::nullopt : std::optional(std::pair(*found));
    };
    for (auto entry = next(nullptr); entry && !stop.stop_requested(); entry = next(&entry->first)) {
        if (!write(entry->first, entry->second, true, connection_wait, stop)) return;
        std::lock_guard lock(mutex_);
        if (unwritten_.erase(entry->first) > 0) unwritten_bytes_ -= entry->second.size();
    }
}

std::optional<std::string> Replies::find(const Key& key, const std::stop_token& stop) {
    if (!present_) return std::nullopt;
    std::optional<std::string> waiting;
    {
        std::lock_guard lock(mutex_);
        if (const auto found = unwritten_.find(key); found != unwritten_.end()) {
            waiting = std::move(found->second);
            unwritten_bytes_ -= waiting->size();
            unwritten_.erase(found);
        }
    }
    if (waiting) {
        keep(key, *waiting, stop);
        return waiting;
    }
    auto connection = pool_.acquire(stop);
    const pg::Statement statement{"select reply::text from " + pg::qualified(schema_, "memoird_replies") +
                                      " where source_pid = $1 and kind = $2 and request_hash = $3",
                                  pg::Params().add(key.source_pid).add(key.kind).add(key.request_hash), true};
    const auto result = connection->exec(statement, stop);
    if (result.empty()) return std::nullopt;
    return result.string(0, 0);
}

pg::Statement Replies::removal(const Key& key) const {
    return {"delete from " + pg::qualified(schema_, "memoird_replies") +
                " where source_pid = $1 and kind = $2 and request_hash = $3",
            pg::Params().add(key.source_pid).add(key.kind).add(key.request_hash), true};
}

void Replies::remove(pg::Transaction& transaction, const Key& key) {
    if (!present_) return;
    transaction.defer(removal(key));
}

void Replies::remove_all(pg::Transaction& transaction, const std::string& source_pid,
                         const std::string& kind) {
    if (!present_) return;
    transaction.defer(
        {"delete from " + pg::qualified(schema_, "memoird_replies") + " where source_pid = $1 and kind = $2",
         pg::Params().add(source_pid).add(kind), true});
}

void Replies::let_go(const Key& key) noexcept {
    if (!present_) return;
    try {
        auto connection = pool_.acquire({}, last_wait);
        auto statement = removal(key);
        statement.sql += " and not exists (select from " + pg::qualified(schema_, "memory_jobs") +
                         " j where j.source_pid = $1 and j.kind = $2)";
        connection->exec(statement);
    } catch (const std::exception&) {
        // The sweep finds it.
    }
}

void Replies::reject(const Key& key) noexcept {
    if (!present_) return;
    try {
        auto connection = pool_.acquire({}, last_wait);
        const auto statement = removal(key);
        connection->exec(statement);
    } catch (const std::exception&) {
        // The next settle rejects it again.
    }
}

std::optional<Replies::Key> Replies::sweep(pg::Connection& connection, const Key& after, int limit) {
    const auto jobs = pg::qualified(schema_, "memory_jobs");
    // One look for each state, because each state has an index.
    const auto any_reprocess = [&](const char* state) {
        return "exists (select from " + jobs + " where kind = 'reprocess' and state = '" + state + "')";
    };
    const auto result = connection.exec(
        "with w as materialized (select ctid as at, source_pid, kind, request_hash, created_at from " +
            pg::qualified(schema_, "memoird_replies") +
            " where (source_pid, kind, request_hash) > ($1, $2, $3) order by source_pid, kind, request_hash "
            "limit $4::integer), d as (delete from " +
            pg::qualified(schema_, "memoird_replies") +
            " r where r.ctid = any(array(select at from w where created_at < clock_timestamp() - interval '7 "
            "days' or (created_at < clock_timestamp() - interval '1 hour' and case when kind = 'reprocess' then "
            "not (" +
            any_reprocess("pending") + " or " + any_reprocess("failed") + " or " + any_reprocess("claimed") +
            ") else not exists (select from " + jobs +
            " j where j.source_pid = w.source_pid and j.kind = w.kind) end))) and r.created_at < "
            "clock_timestamp() - interval '1 hour') select source_pid, kind, request_hash, count(*) over () from "
            "w order by source_pid desc, kind desc, request_hash desc limit 1",
        pg::Params().add(after.source_pid).add(after.kind).add(after.request_hash).add(limit));
    if (result.empty() || result.integer(0, 3) < limit) return std::nullopt;
    return Key{result.string(0, 0), result.string(0, 1), result.string(0, 2)};
}

}  // namespace memoir::memory
