#include "work/lanes.hpp"

#include <algorithm>

namespace memoir::work {

Lanes::Lanes(PlanPtr plan) : scheduler_({}) {
    follow(plan);
}

void Lanes::replace(PlanPtr plan) {
    std::lock_guard lock(mutex_);
    follow(plan);
    held_back_.clear();
    // Who is there too often goes, who waits for a kind that came to its lane looks.
    for (auto& [name, lane] : lanes_) lane.waiting.notify_all();
}

// The old plan is left in `plan`, for the caller to let go of without the lock.
void Lanes::follow(PlanPtr& plan) {
    const auto served = plan->served();
    scheduler_.follow(served);
    for (auto& [name, lane] : lanes_) lane.wanted = 0;
    for (const auto& lane : served) lanes_[lane.name].wanted = lane.loops;
    plan_.swap(plan);
}

PlanPtr Lanes::plan() const {
    std::lock_guard lock(mutex_);
    return plan_;
}

std::map<std::string, int> Lanes::hire() {
    std::lock_guard lock(mutex_);
    std::map<std::string, int> lacking;
    for (auto& [name, lane] : lanes_) {
        if (lane.there >= lane.wanted) continue;
        lacking[name] = lane.wanted - lane.there;
        lane.there = lane.wanted;
    }
    return lacking;
}

void Lanes::dismiss(const std::string& name, int loops) {
    std::lock_guard lock(mutex_);
    lanes_.at(name).there -= loops;
}

std::optional<Task> Lanes::next(const std::string& name, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    auto& lane = lanes_.at(name);
    std::optional<Pick> found;
    const auto looks = [&] { return lane.crowded() || (found = pick(name)).has_value(); };
    while (!found && !lane.crowded() && !stop.stop_requested()) {
        const auto soonest =
            std::ranges::min_element(held_back_, {}, [](const auto& kind) { return kind.second; });
        if (soonest == held_back_.end()) {
            lane.waiting.wait(lock, stop, looks);
        } else {
            const auto until = soonest->second;  // a copy: the entry may be gone while this waits
            lane.waiting.wait_until(lock, stop, until, looks);
        }
        std::erase_if(held_back_, [now = Steady::now()](const auto& kind) { return kind.second <= now; });
    }
    if (found && !stop.stop_requested()) return Task{std::move(*found), plan_};
    // A stop that came together with work wins: what is not claimed need not be handed back.
    if (found) scheduler_.unanswered(*found);
    --lane.there;
    // It may have been woken in the place of one that stays.
    lane.waiting.notify_one();
    return std::nullopt;
}

std::optional<Task> Lanes::next_now(const std::string& name) {
    std::lock_guard lock(mutex_);
    if (lanes_.at(name).crowded()) return std::nullopt;
    auto found = pick(name);
    if (!found) return std::nullopt;
    return Task{std::move(*found), plan_};
}

std::optional<Pick> Lanes::pick(const std::string& lane) {
    return scheduler_.pick(lane, [this](const auto& kind) { return open(kind); });
}

bool Lanes::open(const std::string& kind) const {
    const auto held = held_back_.find(kind);
    return (held == held_back_.end() || held->second <= Steady::now()) && plan_->takes_work(kind);
}

void Lanes::hold_back(const Pick& pick, TimePoint until) {
    std::lock_guard lock(mutex_);
    scheduler_.unanswered(pick);
    held_back_[pick.kind] = until;
}

void Lanes::claimed(const Pick& pick, int rows, const queue::Position& last) {
    std::unique_lock lock(mutex_);
    scheduler_.claimed(pick, rows, last);
    // Of less than a full batch there is no more for now: another loop would only get in this one's way.
    if (rows < pick.limit || rows == 0 || !scheduler_.serves(pick.kind)) return;
    notify_one(pick.kind, std::move(lock));
}

// Without the lock, which the woken loop takes first.
void Lanes::notify_one(const std::string& kind, std::unique_lock<std::mutex> lock) {
    auto& lane = lanes_.at(scheduler_.lane_of(kind));
    lock.unlock();
    lane.waiting.notify_one();
}

void Lanes::unanswered(const Pick& pick) {
    std::lock_guard lock(mutex_);
    scheduler_.unanswered(pick);
}

void Lanes::wake(const std::string& kind) {
    std::unique_lock lock(mutex_);
    if (!scheduler_.serves(kind)) return;
    scheduler_.wake(kind);
    notify_one(kind, std::move(lock));
}

void Lanes::found(const std::string& kind, const queue::Position& at) {
    std::unique_lock lock(mutex_);
    if (!scheduler_.serves(kind)) return;
    scheduler_.found(kind, at);
    notify_one(kind, std::move(lock));
}

void Lanes::looked(const queue::Look& look) {
    {
        std::lock_guard lock(mutex_);
        scheduler_.looked(look);
    }
    poke();
}

void Lanes::set_slow(const std::string& kind, bool slow) {
    std::lock_guard lock(mutex_);
    scheduler_.set_slow(kind, slow);
}

void Lanes::suspect_settled() {
    std::lock_guard lock(mutex_);
    scheduler_.suspect_settled();
}

void Lanes::poke() {
    std::lock_guard lock(mutex_);
    held_back_.clear();
    for (auto& [name, lane] : lanes_)
        if (scheduler_.wants(name, [this](const auto& kind) { return plan_->takes_work(kind); }))
            lane.waiting.notify_one();
}

std::vector<std::string> Lanes::kinds() const {
    std::lock_guard lock(mutex_);
    return scheduler_.kinds();
}

bool Lanes::serves(const std::string& kind) const {
    std::lock_guard lock(mutex_);
    return scheduler_.serves(kind);
}

std::set<std::string> Lanes::pauses() const {
    std::lock_guard lock(mutex_);
    return scheduler_.pauses();
}

bool Lanes::paused(const std::string& kind) const {
    std::lock_guard lock(mutex_);
    return scheduler_.paused(kind);
}

}  // namespace memoir::work
