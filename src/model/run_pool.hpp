#pragma once
// The threads that in-process models run on: as many runs at a time as there are threads, shared by all
// callers. Callers take turns, one unit of work at a time, so that a long batch never holds up a short one.
// Thread safety: run() may be called from several threads; none may be inside it when the pool goes.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

namespace memoir::model {

class RunPool {
  public:
    explicit RunPool(int threads);  // at least one
    ~RunPool();
    RunPool(const RunPool&) = delete;
    RunPool& operator=(const RunPool&) = delete;

    // Calls work(0) … work(count - 1) on the pool's threads, begun in this order, and returns when all have
    // ended. After the first exception none is begun any more; it is thrown here when those under way have
    // ended. When `stop` is requested likewise, with Failure(cancelled).
    void run(std::size_t count, const std::function<void(std::size_t)>& work, const std::stop_token& stop);

    int threads() const { return static_cast<int>(threads_.size()); }
    // Calls that have work which nobody began.
    std::size_t waiting() const {
        std::lock_guard lock(mutex_);
        return waiting_.size();
    }

  private:
    struct Call;
    void loop(const std::stop_token& stop);
    void abandon(Call& call);

    mutable std::mutex mutex_;
    std::condition_variable_any work_;
    std::deque<Call*> waiting_;  // calls with work that nobody began, in the order of their turns
    std::vector<std::jthread> threads_;
};

// CPUs that this process may use: its affinity, and the CPU quota of its control groups (version 1 or 2),
// rounded down, at least 1.
int usable_cpus();
// The quota alone, by the contents of /proc/self/cgroup and the files under the mount point (usually
// /sys/fs/cgroup); 0 when there is none.
double cgroup_quota(const std::string& proc_self_cgroup, const std::string& mount);

}  // namespace memoir::model
