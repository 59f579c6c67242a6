#include "app/generations.hpp"

#include <algorithm>

namespace memoir::app {

std::shared_ptr<Backends> Generations::current() const {
    std::lock_guard lock(mutex_);
    return current_;
}

void Generations::replace(std::shared_ptr<Backends> next) {
    std::shared_ptr<Backends> before;
    {
        std::lock_guard lock(mutex_);
        before = std::exchange(current_, std::move(next));
        if (before) earlier_.push_back(before);
    }
    if (before) before->unwatch();
}

bool Generations::prune() {
    std::vector<std::shared_ptr<Backends>> unused;
    std::lock_guard lock(mutex_);
    // Ours is the last reference, and there is none to copy another from.
    const auto used = [](const auto& each) { return each.use_count() > 1; };
    const auto first = std::partition(earlier_.begin(), earlier_.end(), used);
    std::move(first, earlier_.end(), std::back_inserter(unused));
    earlier_.erase(first, earlier_.end());
    return !earlier_.empty();
}

void Generations::unwatch() {
    std::vector<std::shared_ptr<Backends>> all;
    {
        std::lock_guard lock(mutex_);
        all = earlier_;
        if (current_) all.push_back(current_);
    }
    for (const auto& each : all) each->unwatch();
}

}  // namespace memoir::app
