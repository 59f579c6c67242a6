#include "work/lanes.hpp"

#include <algorithm>

namespace memoir::work {

Lanes::Lanes(const std::vector<LaneOptions>& lanes, Agenda::Gate gate)
    : agenda_(lanes), gate_(std::move(gate)) {
    for (const auto& lane : lanes) waiting_[lane.name];
}

std::optional<Pick> Lanes::next(const std::string& lane, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    std::optional<Pick> found;
    const auto looks = [&] { return (found = pick(lane)).has_value(); };
    while (!found && !stop.stop_requested()) {
        auto& condition = waiting_.at(lane);
        const auto soonest =
            std::ranges::min_element(held_back_, {}, [](const auto& kind) { return kind.second; });
        if (soonest == held_back_.end())
            condition.wait(lock, stop, looks);
        else
            condition.wait_until(lock, stop, soonest->second, looks);
        std::erase_if(held_back_, [now = Steady::now()](const auto& kind) { return kind.second <= now; });
    }
    // A stop that came together with work wins: what is not claimed need not be handed back.
    if (!found || !stop.stop_requested()) return found;
    agenda_.unanswered(*found);
    return std::nullopt;
}

std::optional<Pick> Lanes::next_now(const std::string& lane) {
    std::lock_guard lock(mutex_);
    return pick(lane);
}

std::optional<Pick> Lanes::pick(const std::string& lane) {
    return agenda_.pick(lane, [this](const auto& kind) { return open(kind); });
}

bool Lanes::open(const std::string& kind) const {
    const auto held = held_back_.find(kind);
    return (held == held_back_.end() || held->second <= Steady::now()) && gate_(kind);
}

void Lanes::hold_back(const Pick& pick, TimePoint until) {
    std::lock_guard lock(mutex_);
    agenda_.unanswered(pick);
    held_back_[pick.kind] = until;
}

void Lanes::claimed(const Pick& pick, int rows, const queue::Position& last) {
    std::unique_lock lock(mutex_);
    agenda_.claimed(pick, rows, last);
    // Of less than a full batch there is no more for now: another loop would only get in this one's way.
    if (rows < pick.limit || rows == 0) return;
    notify_one(pick.kind, std::move(lock));
}

// Without the lock, which the woken loop takes first.
void Lanes::notify_one(const std::string& kind, std::unique_lock<std::mutex> lock) {
    auto& condition = waiting_.at(agenda_.lane_of(kind));
    lock.unlock();
    condition.notify_one();
}

void Lanes::unanswered(const Pick& pick) {
    std::lock_guard lock(mutex_);
    agenda_.unanswered(pick);
}

void Lanes::wake(const std::string& kind) {
    std::unique_lock lock(mutex_);
    if (!agenda_.serves(kind)) return;
    agenda_.wake(kind);
    notify_one(kind, std::move(lock));
}

void Lanes::found(const std::string& kind, const queue::Position& at) {
    std::unique_lock lock(mutex_);
    if (!agenda_.serves(kind)) return;
    agenda_.found(kind, at);
    notify_one(kind, std::move(lock));
}

void Lanes::looked(const queue::Look& look) {
    {
        std::lock_guard lock(mutex_);
        agenda_.looked(look);
    }
    poke();
}

void Lanes::set_slow(const std::string& kind, bool slow) {
    std::lock_guard lock(mutex_);
    agenda_.set_slow(kind, slow);
}

void Lanes::suspect_settled() {
    std::lock_guard lock(mutex_);
    agenda_.suspect_settled();
}

void Lanes::poke() {
    std::lock_guard lock(mutex_);
    held_back_.clear();
    for (auto& [lane, condition] : waiting_)
        if (agenda_.wants(lane, gate_)) condition.notify_one();
}

std::vector<std::string> Lanes::kinds() const {
    std::lock_guard lock(mutex_);
    return agenda_.kinds();
}

bool Lanes::serves(const std::string& kind) const {
    std::lock_guard lock(mutex_);
    return agenda_.serves(kind);
}

bool Lanes::paused(const std::string& kind) const {
    std::lock_guard lock(mutex_);
    return agenda_.paused(kind);
}

}  // namespace memoir::work
