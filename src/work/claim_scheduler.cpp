#include "work/claim_scheduler.hpp"

#include <algorithm>
#include <utility>

namespace memoir::work {

void ClaimScheduler::follow(const std::vector<LaneOptions>& lanes) {
    const auto before = std::exchange(kinds_, {});
    lanes_.clear();
    for (const auto& lane : lanes) {
        lanes_[lane.name] = lane.kinds;
        for (const auto& name : lane.kinds) {
            auto& kind = kinds_[name];
            if (const auto known = before.find(name); known != before.end())
                kind = known->second;
            else
                kind.generation = ++generations_;
            kind.lane = lane.name;
            kind.batch = lane.batch;
            kind.loops = lane.loops;
            if (kind.tokens == 0) kind.woken = true;
            kind.tokens = std::clamp(kind.tokens, 1, kind.loops);
        }
    }
}

bool ClaimScheduler::paused(const std::string& kind) const {
    return paused_.contains("*") || paused_.contains(kind);
}

bool ClaimScheduler::ready(const std::string& name, const Kind& kind, const Gate& gate) const {
    if (kind.tokens == 0 && !(kind.suspects && !suspect_held_)) return false;
    return !paused(name) && gate(name);
}

bool ClaimScheduler::wants(const std::string& lane, const Gate& gate) const {
    const auto names = lanes_.find(lane);
    return names != lanes_.end() && std::ranges::any_of(names->second, [&](const auto& name) {
               return ready(name, kinds_.at(name), gate);
           });
}

std::optional<Pick> ClaimScheduler::pick(const std::string& lane, const Gate& gate) {
    const auto found = lanes_.find(lane);
    if (found == lanes_.end()) return std::nullopt;
    auto& names = found->second;
    for (std::size_t turn = 0; turn < names.size(); ++turn) {
        const auto name = names[turn];
        auto& kind = kinds_.at(name);
        if (!ready(name, kind, gate)) continue;
        // The next one's turn.
        std::rotate(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(turn) + 1, names.end());
        Pick pick;
        pick.kind = name;
        pick.generation = kind.generation;
        if (kind.suspects && !suspect_held_) {
            pick.suspect = true;
            kind.suspects = false;
            suspect_held_ = true;  // until the claim says that there was none, or it is settled
            return pick;
        }
        --kind.tokens;
        pick.limit = kind.batch;
        pick.woken = kind.woken;
        pick.from_start = kind.from_start;
        kind.from_start = false;
        if (!pick.from_start) pick.after = kind.cursor;
        return pick;
    }
    return std::nullopt;
}

void ClaimScheduler::give(Kind& kind, int tokens, bool woken) {
    kind.tokens = std::min(kind.loops, kind.tokens + tokens);
    kind.woken = woken;
}

void ClaimScheduler::claimed(const Pick& pick, int rows, const queue::Position& last) {
    if (pick.suspect && rows == 0) suspect_held_ = false;
    const auto found = kinds_.find(pick.kind);
    if (found == kinds_.end()) return;
    auto& kind = found->second;
    if (pick.suspect) {
        kind.suspects |= rows > 0;  // there may be more
        return;
    }
    if (rows > 0) {
        // Set back meanwhile: a row before `last` may be pending.
        if (pick.generation == kind.generation)
            kind.cursor = pick.from_start ? last : std::max(kind.cursor, last);
        give(kind, rows >= pick.limit ? 2 : 1, false);
    } else if (pick.woken && !pick.from_start && !kind.slow) {
        kind.from_start = true;
        give(kind, 1, true);
    }
}

void ClaimScheduler::unanswered(const Pick& pick) {
    if (pick.suspect) suspect_held_ = false;
    const auto found = kinds_.find(pick.kind);
    if (found == kinds_.end()) return;
    auto& kind = found->second;
    if (pick.suspect) {
        kind.suspects = true;
        return;
    }
    kind.from_start |= pick.from_start;
    give(kind, 1, pick.woken);
}

void ClaimScheduler::wake(const std::string& name) {
    const auto found = kinds_.find(name);
    if (found == kinds_.end()) return;
    auto& kind = found->second;
    give(kind, kind.tokens == 0 ? 1 : 0, true);
}

void ClaimScheduler::found(const std::string& name, const queue::Position& at) {
    const auto found = kinds_.find(name);
    if (found == kinds_.end()) return;
    auto& kind = found->second;
    if (at <= kind.cursor) {
        kind.cursor = {at.created_us, at.id - 1};
        kind.generation = ++generations_;
    }
    give(kind, kind.tokens == 0 ? 1 : 0, true);
}

void ClaimScheduler::looked(const queue::Look& look) {
    paused_ = {look.paused.begin(), look.paused.end()};
    for (const auto& first : look.first) {
        if (first.ordinary) found(first.kind, *first.ordinary);
        if (const auto kind = kinds_.find(first.kind); kind != kinds_.end())
            kind->second.suspects |= first.suspect;
    }
}

void ClaimScheduler::set_slow(const std::string& kind, bool slow) {
    if (const auto found = kinds_.find(kind); found != kinds_.end()) found->second.slow = slow;
}

std::vector<std::string> ClaimScheduler::kinds() const {
    std::vector<std::string> names;
    for (const auto& [name, kind] : kinds_) names.push_back(name);
    return names;
}

}  // namespace memoir::work
