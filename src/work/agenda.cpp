#include "work/agenda.hpp"

#include <algorithm>

namespace memoir::work {

Agenda::Agenda(const std::vector<LaneOptions>& lanes) {
    for (const auto& lane : lanes) {
        lanes_[lane.name] = lane.kinds;
        for (const auto& name : lane.kinds) {
            Kind kind;
            kind.lane = lane.name;
            kind.batch = lane.batch;
            kind.loops = lane.loops;
            kinds_[name] = kind;
        }
    }
}

bool Agenda::paused(const std::string& kind) const {
    return paused_.contains("*") || paused_.contains(kind);
}

bool Agenda::ready(const std::string& name, const Kind& kind, const Gate& gate) const {
    if (kind.tokens == 0 && !(kind.suspects && !suspect_held_)) return false;
    return !paused(name) && gate(name);
}

bool Agenda::wants(const std::string& lane, const Gate& gate) const {
    const auto& names = lanes_.at(lane);
    return std::any_of(names.begin(), names.end(),
                       [&](const auto& name) { return ready(name, kinds_.at(name), gate); });
}

std::optional<Pick> Agenda::pick(const std::string& lane, const Gate& gate) {
    auto& names = lanes_.at(lane);
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

void Agenda::give(Kind& kind, int tokens, bool woken) {
    kind.tokens = std::min(kind.loops, kind.tokens + tokens);
    kind.woken = woken;
}

void Agenda::claimed(const Pick& pick, int rows, const queue::Position& last) {
    auto& kind = kinds_.at(pick.kind);
    if (pick.suspect) {
        if (rows == 0)
            suspect_held_ = false;
        else
            kind.suspects = true;  // there may be more
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

void Agenda::unanswered(const Pick& pick) {
    auto& kind = kinds_.at(pick.kind);
    if (pick.suspect) {
        suspect_held_ = false;
        kind.suspects = true;
        return;
    }
    kind.from_start |= pick.from_start;
    give(kind, 1, pick.woken);
}

void Agenda::wake(const std::string& name) {
    const auto found = kinds_.find(name);
    if (found == kinds_.end()) return;
    auto& kind = found->second;
    give(kind, kind.tokens == 0 ? 1 : 0, true);
}

void Agenda::found(const std::string& name, const queue::Position& at) {
    const auto found = kinds_.find(name);
    if (found == kinds_.end()) return;
    auto& kind = found->second;
    if (at <= kind.cursor) {
        kind.cursor = {at.created_us, at.id - 1};
        ++kind.generation;
    }
    give(kind, kind.tokens == 0 ? 1 : 0, true);
}

void Agenda::looked(const queue::Look& look) {
    paused_ = {look.paused.begin(), look.paused.end()};
    for (const auto& first : look.first) {
        if (first.ordinary) found(first.kind, *first.ordinary);
        if (const auto kind = kinds_.find(first.kind); kind != kinds_.end())
            kind->second.suspects |= first.suspect;
    }
}

void Agenda::set_slow(const std::string& kind, bool slow) {
    if (const auto found = kinds_.find(kind); found != kinds_.end()) found->second.slow = slow;
}

std::vector<std::string> Agenda::kinds() const {
    std::vector<std::string> names;
    for (const auto& [name, kind] : kinds_) names.push_back(name);
    return names;
}

}  // namespace memoir::work
