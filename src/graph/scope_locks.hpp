#pragma once
// One job at a time commits to a scope of the graph, or two would create the same entity twice: here by a
// place in this process, over all hosts by an advisory lock of the database that the caller takes then.
// Thread safety: all of it.

#include <condition_variable>
#include <mutex>
#include <set>
#include <stop_token>

#include "base/clock.hpp"
#include "memory/memory.hpp"

namespace memoir::graph {

class ScopeLocks {
  public:
    // `most`: holders at a time, over all scopes.
    explicit ScopeLocks(int most) : most_(most) {}

    class Guard {
      public:
        Guard(ScopeLocks& locks, memory::Scope scope) : locks_(&locks), scope_(std::move(scope)) {}
        Guard(Guard&& other) noexcept
            : locks_(std::exchange(other.locks_, nullptr)), scope_(std::move(other.scope_)) {}
        Guard& operator=(Guard&&) = delete;
        ~Guard() {
            if (!locks_) return;
            std::lock_guard lock(locks_->mutex_);
            locks_->busy_.erase(scope_);
            locks_->free_.notify_all();
        }

      private:
        ScopeLocks* locks_;
        memory::Scope scope_;
    };

    // nullopt: the deadline or the stop came first.
    std::optional<Guard> take(const memory::Scope& scope, TimePoint deadline, const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        const bool free = free_.wait_until(lock, stop, deadline, [&] {
            return static_cast<int>(busy_.size()) < most_ && !busy_.contains(scope);
        });
        if (!free || stop.stop_requested()) return std::nullopt;
        busy_.insert(scope);
        return std::optional<Guard>(std::in_place, *this, scope);
    }

  private:
    const int most_;
    std::mutex mutex_;
    std::condition_variable_any free_;
    std::set<memory::Scope> busy_;
};

}  // namespace memoir::graph
