#include "work/locked_completion.hpp"

#include <algorithm>

#include "base/failpoint.hpp"
#include "endpoint/endpoint.hpp"
#include "memory/memory.hpp"
#include "queue/fan_in.hpp"
#include "work/pg_failure.hpp"
#include "work/resolve.hpp"

namespace memoir::work {

namespace {

bool contains(std::span<const std::string> list, const std::string& text) {
    return std::find(list.begin(), list.end(), text) != list.end();
}

std::optional<std::string> version_of(std::span<const memory::Locked> locked, const std::string& pid) {
    const auto row = std::ranges::find(locked, pid, &memory::Locked::pid);
    return row == locked.end() ? std::nullopt : std::optional(row->version);
}

std::vector<Index> having(const std::vector<std::pair<Index, RowFate>>& fates, RowFate fate) {
    std::vector<Index> members;
    for (const auto& [member, its] : fates)
        if (its == fate) members.push_back(member);
    return members;
}

void append(std::vector<Index>& list, std::span<const Index> more) {
    list.insert(list.end(), more.begin(), more.end());
}

}  // namespace

Failure locked_out(Milliseconds waited) {
    Failure failure(FailureType::outage, "the memory has been locked by another transaction for " +
                                             std::to_string(waited.count() / 1'000) + " s");
    failure.retry_after = waited;
    return failure;
}

void LockedCompletion::run(std::vector<Index> members) {
    members_ = std::move(members);
    try {
        persist_.until_it_stands([this] { return attempt(); });
        return;
    } catch (const Changed& change) {
        append(completed_.redo, change.members());
        separately(without(members_, change.members()));
    } catch (const Failure& failure) {
        failed(failure);
    } catch (const pg::Error& error) {
        if (effects_ && members_.size() == 1 && error.error_class() == pg::ErrorClass::data)
            effects_->refused(members_);
        failed(to_failure(error));
    }
    separately({}, std::exchange(locked_out_, {}));
}

bool LockedCompletion::attempt() {
    if (unknown_) look_after_unknown();
    if (members_.empty()) {
        members_ = std::exchange(locked_out_, {});
        if (!members_.empty()) pass_over_locked();
    }
    if (members_.empty()) return give_up_locked_out();
    if (effects_) {
        const endpoint::OnBehalf jobs(ids(batch_, members_));
        effects_->prepare(members_, batch_[members_.front()].run().token());
    }

    const auto fates = settle_under_locks();
    const auto ready = having(fates, RowFate::ready);
    if (ready.size() == members_.size()) {
        if (effects_) effects_->committed(ready);
        for (const auto member : ready) outcomes_.succeeded(batch_[member]);
        if (entry_.fan_in) context_.lanes.wake("synthesize");
        members_.clear();
        return locked_out_.empty();
    }
    end_others(fates);
    members_ = ready;
    return members_.empty() && give_up_locked_out();
}

void LockedCompletion::look_after_unknown() {
    auto before = members_;
    resolve(context_, outcomes_, batch_, members_, queue::Meant::remove);
    abandon(without(std::move(before), members_));
    unknown_ = false;
}

// Only members whose memory can be locked at this moment are prepared: what is written to the index in vain
// every few milliseconds is a burden on the index, and embedding it again may cost money.
void LockedCompletion::pass_over_locked() {
    auto connection = context_.pool.acquire(context_.abandon, connection_wait);
    pg::Transaction transaction(*connection, pg::Transaction::Durability::off);
    const auto pids = sources(batch_, members_);
    const auto locked = memory::lock(transaction, context_.schema, pids);
    const auto there = memory::existing(transaction, context_.schema, pids);
    transaction.rollback();
    const auto is_locked_out = [&](Index member) {
        const auto& pid = batch_[member].job().source_pid;
        return !version_of(locked, pid) && contains(there, pid);
    };
    for (const auto member : members_)
        if (is_locked_out(member)) locked_out_.push_back(member);
    members_ = without(std::move(members_), locked_out_);
}

bool LockedCompletion::give_up_locked_out() {
    if (locked_out_.empty()) return true;
    const bool cancelled = batch_[locked_out_.front()].run().token().stop_requested();
    if (!cancelled && Steady::now() - locked_since_.value_or(Steady::now()) < longest_lock_wait) return false;
    for (const auto member : std::exchange(locked_out_, {}))
        completed_.failed.emplace_back(
            member, cancelled ? Failure(FailureType::cancelled, "cancelled") : locked_out(longest_lock_wait));
    return true;
}

LockedCompletion::Fates LockedCompletion::settle_under_locks() {
    using Durability = pg::Transaction::Durability;
    const Stopwatch watch(context_.tally, batch_[members_.front()]);
    auto connection = context_.pool.acquire(context_.abandon, connection_wait);
    pg::Transaction transaction(*connection, entry_.paid ? Durability::on : Durability::off);
    auto fates = look_under_locks(transaction);
    if (having(fates, RowFate::ready).size() == members_.size()) {
        commit(transaction);
        watch.stood();
    } else {
        // The effects were prepared for more than is left: roll back, and go on with the others. Now, because
        // what is done about the lost ones writes the rows that are locked here.
        transaction.rollback();
    }
    return fates;
}

LockedCompletion::Fates LockedCompletion::look_under_locks(pg::Transaction& transaction) {
    const auto locked = memory::lock(transaction, context_.schema, sources(batch_, members_));
    std::vector<Found> found;
    std::vector<Index> absent, fenced;
    const auto look = [&](std::size_t at) {
        const auto member = members_[at];
        return fate(effects_ ? effects_->version(member) : std::string(), found[at]);
    };
    for (std::size_t at = 0; at < members_.size(); ++at) {
        found.push_back({version_of(locked, batch_[members_[at]].job().source_pid)});
        if (!found.back().locked)
            absent.push_back(members_[at]);
        else if (look(at) == RowFate::ready)
            fenced.push_back(members_[at]);
    }
    if (!absent.empty()) {
        const auto there = memory::existing(transaction, context_.schema, sources(batch_, absent));
        for (std::size_t at = 0; at < members_.size(); ++at)
            found[at].exists = contains(there, batch_[members_[at]].job().source_pid);
    }
    if (!fenced.empty()) {
        // No cascade can reach these rows while we hold their memories: waiting for them is safe.
        const auto statement = queue::remove_locked(context_.schema, fences(batch_, fenced));
        take_returned(batch_, fenced, transaction.exec(statement));
        for (std::size_t at = 0; at < members_.size(); ++at)
            found[at].removed = std::ranges::find(fenced, members_[at]) == fenced.end();
    }
    Fates fates;
    for (std::size_t at = 0; at < members_.size(); ++at) fates.emplace_back(members_[at], look(at));
    return fates;
}

void LockedCompletion::commit(pg::Transaction& transaction) {
    if (effects_) effects_->apply(transaction, members_);
    if (entry_.fan_in) transaction.defer(queue::fan_in(context_.schema, sources(batch_, members_)));
    unknown_ = true;
    failpoint("settle.committing");
    transaction.commit();
    failpoint("settle.committed");
    unknown_ = false;
}

void LockedCompletion::end_others(const Fates& fates) {
    const auto deleted = having(fates, RowFate::deleted), lost = having(fates, RowFate::lost);
    for (const auto member : deleted) outcomes_.source_deleted(batch_[member]);
    for (const auto member : lost) outcomes_.lost(batch_[member]);
    abandon(deleted);
    abandon(lost);
    append(completed_.redo, having(fates, RowFate::changed));
    const auto locked = having(fates, RowFate::locked_out);
    if (!locked.empty() && !locked_since_) locked_since_ = Steady::now();
    append(locked_out_, locked);
}

// A failure of a job's own is one member's. All parts are tried before one is divided again: how many of them
// fail tells an endpoint whether it refuses everybody.
void LockedCompletion::failed(const Failure& failure) {
    if (failed_) return failed_->push_back({members_, failure});
    std::vector<Failed> failures{{members_, failure}};
    std::size_t parts = endpoint::alike_jobs;
    while (!failures.empty())
        for (const auto& [members, why] : std::exchange(failures, {})) {
            if (!why.own() || members.size() == 1) {
                for (const auto member : members) completed_.failed.emplace_back(member, why);
                continue;
            }
            for (const auto part : divided(members, parts))
                separately({part.begin(), part.end()}, {}, &failures);
            parts = 2;
        }
}

void LockedCompletion::separately(std::vector<Index> members, std::vector<Index> locked_out,
                                  std::vector<Failed>* failed) {
    if (members.empty() && locked_out.empty()) return;
    LockedCompletion part(context_, persist_, outcomes_, batch_, effects_, entry_, completed_);
    part.failed_ = failed;
    part.locked_out_ = std::move(locked_out);
    part.locked_since_ = locked_since_;
    part.run(std::move(members));
}

void LockedCompletion::abandon(std::vector<Index> members) {
    if (effects_ && !members.empty()) effects_->abandoned(members);
}

}  // namespace memoir::work
