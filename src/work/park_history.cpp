#include "work/park_history.hpp"

#include <algorithm>

namespace memoir::work {

namespace {
constexpr Milliseconds longest{600'000};
// Another process may have ended them meanwhile, and nobody tells us.
constexpr auto kept = std::chrono::hours(24);
constexpr std::size_t most_kept = 10'000;
}  // namespace

ParkHistory::Entry& ParkHistory::entry(std::int64_t job, TimePoint now) {
    if (jobs_.size() >= most_kept) {
        std::erase_if(jobs_, [&](const auto& item) { return now - item.second.last > kept; });
        if (jobs_.size() >= most_kept) jobs_.clear();
    }
    auto& entry = jobs_[job];
    entry.last = now;
    return entry;
}

int ParkHistory::came_back(std::int64_t job, TimePoint now, std::optional<std::uint64_t> served) {
    std::lock_guard lock(mutex_);
    auto& known = entry(job, now);
    // The endpoint works for nobody: that is no time of this job's.
    const bool idle = known.times > 0 && served && known.served == served;
    known.served = served;
    return idle ? known.times : ++known.times;
}

void ParkHistory::refused(std::int64_t job, TimePoint now) {
    std::lock_guard lock(mutex_);
    entry(job, now).refused = true;
}

bool ParkHistory::was_refused(std::int64_t job) const {
    std::lock_guard lock(mutex_);
    const auto found = jobs_.find(job);
    return found != jobs_.end() && found->second.refused;
}

int ParkHistory::times(std::int64_t job) const {
    std::lock_guard lock(mutex_);
    const auto found = jobs_.find(job);
    return found == jobs_.end() ? 0 : found->second.times;
}

void ParkHistory::forget(std::int64_t job) {
    std::lock_guard lock(mutex_);
    jobs_.erase(job);
}

std::size_t ParkHistory::size() const {
    std::lock_guard lock(mutex_);
    return jobs_.size();
}

Milliseconds ParkHistory::delay(int times, Milliseconds least) {
    const auto cap = least > longest ? least * 16 : longest;
    auto delay = least;
    for (int doubled = patience; doubled < times && delay < cap; ++doubled) delay *= 2;
    return std::min(delay, cap);
}

}  // namespace memoir::work
