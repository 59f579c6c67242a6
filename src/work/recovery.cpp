#include "work/recovery.hpp"

#include <algorithm>

#include "memory/memory.hpp"
#include "work/lease_keeper.hpp"
#include "work/pg_failure.hpp"

namespace memoir::work {

Recovery::Recovery(Context& context, View view, std::string kind)
    : context_(context), view_(std::move(view)), kind_(std::move(kind)) {}

bool Recovery::mine(const queue::Overdue& row) const {
    const bool last =
        row.memoird() && !row.drained && row.attempts + 1 >= context_.plan()->options.max_attempts;
    return kind_.empty() ? !last : last && row.kind == kind_;
}

// Those that an earlier look saw as they are now; the others are seen for the first time.
std::vector<queue::Overdue> Recovery::seen_twice(const std::vector<queue::Overdue>& rows) {
    const auto now = Steady::now();
    const auto apart = LeaseKeeper::interval(context_.lease) / 2;
    const bool healthy = view_.healthy();
    std::vector<queue::Overdue> twice;
    for (const auto& row : rows) {
        if (!mine(row)) continue;
        auto [found, first] = seen_.try_emplace(row.id, Seen{row, now, round_});
        auto& seen = found->second;
        if (!first && !(seen.row == row)) seen = {row, now, round_};
        seen.round = round_;
        if (healthy && now - seen.at >= apart) twice.push_back(row);
    }
    return twice;
}

bool Recovery::slice(pg::Connection& connection, int limit) {
    const queue::Leases leases{context_.lease, context_.plan()->options.foreign_lease, view_.hosts,
                               view_.draining};
    const auto look = queue::overdue(context_.schema, leases, after_, limit);
    const auto slice = queue::overdue_slice(connection.exec(look), limit);
    after_ = slice.next.value_or(queue::Cursor{});
    const auto rows = seen_twice(slice.rows);
    if (!slice.next) {
        std::erase_if(seen_, [&](const auto& item) { return item.second.round != round_; });
        ++round_;
    }
    if (kind_.empty())
        give_back(connection, rows);
    else
        bury(connection, rows);
    return slice.next.has_value();
}

void Recovery::give_back(pg::Connection& connection, std::span<const queue::Overdue> rows) {
    std::vector<queue::Overdue> dead, drained, foreign;
    for (const auto& row : rows) (!row.memoird() ? foreign : row.drained ? drained : dead).push_back(row);
    const auto tell = [&](const pg::Statement& statement, const char* from, const char* message) {
        for (const auto& row : queue::returned(connection.exec(statement))) {
            ++context_.tally.recovered;
            if (context_.tally.observer.recovered) context_.tally.observer.recovered(row.kind, from);
            context_.log.warning("memoir.worker.lease_recovered", message,
                                 {{"job_id", row.id}, {"kind", row.kind}, {"outcome", std::string(from)}});
            context_.lanes.found(row.kind, row.position);
        }
    };
    if (!dead.empty())
        tell(queue::recover_dead(context_.schema, dead), "dead",
             "claim recovered: its holder died; the job is now a suspect");
    if (!drained.empty())
        tell(queue::recover_unharmed(context_.schema, drained), "drained",
             "claim recovered: its holder was killed while it drained; no attempt counted");
    if (!foreign.empty())
        tell(queue::recover_unharmed(context_.schema, foreign), "foreign",
             "claim recovered: another worker did not finish the job within foreign_lease");
}

// The holder died once too often with these jobs in hand. One row that the database refuses must not keep the
// others: halves find it.
void Recovery::bury(pg::Connection& connection, std::span<const queue::Overdue> rows) {
    if (rows.empty()) return;
    const auto plan = context_.plan();
    const auto entry = plan->registry.find(kind_);
    if (entry == plan->registry.end()) return;
    try {
        bury_together(connection, rows, entry->second);
    } catch (const pg::Error& error) {
        if (connection.broken() || passes_by_itself(error)) throw;
        if (rows.size() > 1) {
            bury(connection, rows.first(rows.size() / 2));
            bury(connection, rows.subspan(rows.size() / 2));
            return;
        }
        context_.log.warning(
            "memoir.worker.lease_recovery_failed", "the database refuses the end of a job whose holder died",
            {{"job_id", rows.front().id}, {"kind", rows.front().kind}, {"error", std::string(error.what())}});
    }
}

void Recovery::bury_together(pg::Connection& connection, std::span<const queue::Overdue> rows,
                             const Entry& entry) {
    std::vector<std::string> pids;
    for (const auto& row : rows) pids.push_back(row.source_pid);
    pg::Transaction transaction(connection, pg::Transaction::Durability::on);
    // Those that are locked elsewhere wait for the next round.
    const auto locked = memory::lock(transaction, context_.schema, pids);
    std::vector<queue::Overdue> chosen;
    for (const auto& row : rows)
        if (std::ranges::find(locked, row.source_pid, &memory::Locked::pid) != locked.end())
            chosen.push_back(row);
    if (chosen.empty()) return;
    const auto statement = queue::bury(context_.schema, chosen);
    const auto buried = transaction.exec(statement);
    std::vector<const queue::Overdue*> ended;
    pids.clear();
    for (int at = 0; at < buried.rows(); ++at) {
        const auto row = std::ranges::find(chosen, buried.integer(at, 0), &queue::Overdue::id);
        ended.push_back(&*row);
        pids.push_back(row->source_pid);
    }
    if (ended.empty()) return;
    if (entry.when_failed) entry.when_failed(transaction, pids);
    transaction.commit();
    for (const auto* row : ended) {
        ++context_.tally.failed;
        if (context_.tally.observer.recovered) context_.tally.observer.recovered(row->kind, "buried");
        context_.log.error("memoir.worker.job_failed",
                           "job failed permanently: workers kept dying while holding it",
                           {{"job_id", row->id},
                            {"kind", row->kind},
                            {"source_pid", row->source_pid},
                            {"outcome", std::string("failed")},
                            {"error", "holder died: " + row->claimed_by.value_or("")}});
        seen_.erase(row->id);
    }
}

}  // namespace memoir::work
