#include "work/claim_table.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace memoir::work {

ClaimTable::InFlight::InFlight(ClaimTable& table, std::string claimed_by)
    : table_(table), claimed_by_(std::move(claimed_by)) {
    std::lock_guard lock(table_.mutex_);
    table_.flights_.insert(claimed_by_);
}

ClaimTable::InFlight::~InFlight() {
    std::lock_guard lock(table_.mutex_);
    table_.flights_.erase(table_.flights_.find(claimed_by_));
}

void ClaimTable::add(const queue::Job& job, std::shared_ptr<Run> run, TimePoint since) {
    std::lock_guard lock(mutex_);
    entries_[job.id] = {
        {job.id, job.claimed_by}, job.kind, job.source_pid, std::move(run), since, false, false, job.suspect};
}

// Only this claim's: the row may have come back to another loop here after its lease ended.
void ClaimTable::drop(const queue::Fence& claim) {
    std::lock_guard lock(mutex_);
    const auto found = entries_.find(claim.id);
    if (found != entries_.end() && found->second.fence.claimed_by == claim.claimed_by) entries_.erase(found);
}

void ClaimTable::let_go(const queue::Fence& claim) {
    drop(claim);
    std::lock_guard lock(mutex_);
    let_go_.push_back(claim);
}

std::vector<queue::Fence> ClaimTable::take_let_go() {
    std::lock_guard lock(mutex_);
    return std::exchange(let_go_, {});
}

void ClaimTable::renewed_all(TimePoint sent) {
    std::lock_guard lock(mutex_);
    for (auto& [id, entry] : entries_) {
        entry.renewed = std::max(entry.renewed, sent);
        entry.lost = false;
    }
}

void ClaimTable::settling(std::span<const std::int64_t> ids, bool value) {
    std::lock_guard lock(mutex_);
    for (const auto id : ids)
        if (const auto found = entries_.find(id); found != entries_.end()) found->second.settling = value;
}

bool ClaimTable::lost(std::int64_t id) const {
    std::lock_guard lock(mutex_);
    const auto found = entries_.find(id);
    return found == entries_.end() || found->second.lost;
}

std::vector<std::int64_t> ClaimTable::to_renew(TimePoint now) const {
    std::lock_guard lock(mutex_);
    std::vector<std::int64_t> ids;
    for (const auto& [id, entry] : entries_)
        if (entry.settling || entry.run->deadline(now) > now) ids.push_back(id);
    return ids;
}

bool ClaimTable::run_is_lost(const Run* run) const {
    return std::all_of(entries_.begin(), entries_.end(),
                       [&](const auto& item) { return item.second.run.get() != run || item.second.lost; });
}

std::vector<queue::Fence> ClaimTable::reconcile(std::span<const std::int64_t> asked,
                                                std::span<const queue::Fence> read, TimePoint sent,
                                                std::vector<std::int64_t>& lost) {
    std::lock_guard lock(mutex_);
    std::unordered_map<std::int64_t, const queue::Fence*> shown;
    for (const auto& row : read) shown[row.id] = &row;
    for (const auto id : asked) {
        const auto found = entries_.find(id);
        // Claimed again since, or settled: the read says nothing about it.
        if (found == entries_.end() || found->second.renewed > sent) continue;
        auto& entry = found->second;
        const auto row = shown.find(id);
        if (row != shown.end() && row->second->claimed_by == entry.fence.claimed_by) {
            // Taken for lost in an outage, and still ours: its loop is about to hand it back, and waits for
            // the database, too. Until it has, nobody else may call us dead for it.
            entry.renewed = sent;
            entry.lost = false;
        } else if (!entry.settling && !entry.lost) {
            entry.lost = true;
            lost.push_back(id);
            if (run_is_lost(entry.run.get())) entry.run->cancel(Cause::lost);
        }
    }
    std::vector<queue::Fence> orphans;
    for (const auto& row : read) {
        const auto found = entries_.find(row.id);
        const bool ours = found != entries_.end() && found->second.fence.claimed_by == row.claimed_by;
        if (!ours && !flights_.contains(row.claimed_by)) orphans.push_back(row);
    }
    return orphans;
}

int ClaimTable::cancel_unrenewed(TimePoint now, Milliseconds limit) {
    std::lock_guard lock(mutex_);
    int cancelled = 0;
    for (auto& [id, entry] : entries_) {
        if (entry.settling || entry.lost || now - entry.renewed < limit) continue;
        entry.lost = true;
        entry.run->cancel(Cause::lost);
        ++cancelled;
    }
    return cancelled;
}

int ClaimTable::expire(TimePoint now, Milliseconds grace) {
    std::lock_guard lock(mutex_);
    std::unordered_set<const Run*> stuck;
    for (auto& [id, entry] : entries_) {
        if (entry.settling || entry.run->deadline(now) > now) continue;
        entry.run->cancel(Cause::deadline);
        if (now - entry.run->deadline(now) > grace) stuck.insert(entry.run.get());
    }
    return static_cast<int>(stuck.size());
}

void ClaimTable::cancel_all(Cause cause) {
    std::lock_guard lock(mutex_);
    for (auto& [id, entry] : entries_) entry.run->cancel(cause);
}

void ClaimTable::cancel_if(Cause cause, const std::function<bool(const Run& run)>& hopeless) {
    std::lock_guard lock(mutex_);
    for (auto& [id, entry] : entries_)
        if (!entry.settling && hopeless(*entry.run)) entry.run->cancel(cause);
}

std::size_t ClaimTable::size() const {
    std::lock_guard lock(mutex_);
    return entries_.size();
}

bool ClaimTable::holds_suspect() const {
    std::lock_guard lock(mutex_);
    return std::any_of(entries_.begin(), entries_.end(),
                       [](const auto& item) { return item.second.suspect; });
}

std::vector<ClaimTable::Entry> ClaimTable::entries() const {
    std::lock_guard lock(mutex_);
    std::vector<Entry> copy;
    copy.reserve(entries_.size());
    for (const auto& [id, entry] : entries_) copy.push_back(entry);
    return copy;
}

}  // namespace memoir::work
