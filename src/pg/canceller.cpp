#include "pg/canceller.hpp"

#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

namespace memoir::pg {
namespace {

class Canceller {
  public:
    // Never destroyed: joining would wait for a PQcancel that hangs.
    static Canceller& shared() {
        static Canceller& canceller = *std::make_unique<Canceller>().release();
        return canceller;
    }

    void push(CancelHandle handle) {
        std::lock_guard lock(mutex_);
        if (queue_.size() >= most_waiting) return;
        queue_.push_back(std::move(handle));
        changed_.notify_one();
    }

  private:
    void serve(const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        while (changed_.wait(lock, stop, [this] { return !queue_.empty(); })) {
            const auto handle = std::move(queue_.front());
            queue_.pop_front();
            lock.unlock();
            std::array<char, 256> ignored{};  // the size PQcancel's documentation recommends
            PQcancel(handle.get(), ignored.data(), static_cast<int>(ignored.size()));
            lock.lock();
        }
    }

    static constexpr std::size_t most_waiting = 64;  // one for each loop of a large host
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::deque<CancelHandle> queue_;
    std::jthread thread_{[this](std::stop_token stop) { serve(stop); }};
};

}  // namespace

void cancel_later(CancelHandle handle) {
    if (handle) Canceller::shared().push(std::move(handle));
}

}  // namespace memoir::pg
