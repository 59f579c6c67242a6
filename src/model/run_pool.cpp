#include "model/run_pool.hpp"

#include <algorithm>
#include <exception>

#include "base/failure.hpp"

namespace memoir::model {

// Lives on its caller's stack; the pool's mutex guards it.
struct RunPool::Call {
    const std::function<void(std::size_t)>& work;
    std::size_t next, count;  // next == count: nothing more to begin
    std::size_t running = 0;
    std::exception_ptr error{};
    std::condition_variable_any ended{};

    bool over() const { return next == count && running == 0; }
};

RunPool::RunPool(int threads) {
    for (int i = 0; i < std::max(threads, 1); ++i)
        threads_.emplace_back([this](const std::stop_token& stop) { loop(stop); });
}

RunPool::~RunPool() {
    for (auto& thread : threads_) thread.request_stop();
}

void RunPool::run(std::size_t count, const std::function<void(std::size_t)>& work,
                  const std::stop_token& stop) {
    if (stop.stop_requested()) throw Failure(FailureType::cancelled, "cancelled");
    if (count == 0) return;
    Call call{.work = work, .next = 0, .count = count};
    std::unique_lock lock(mutex_);
    waiting_.push_back(&call);
    count == 1 ? work_.notify_one() : work_.notify_all();
    const bool ended = call.ended.wait(lock, stop, [&] { return call.over(); });
    if (!ended) {
        abandon(call);
        call.ended.wait(lock, [&] { return call.over(); });
    }
    if (call.error) std::rethrow_exception(call.error);
    if (!ended) throw Failure(FailureType::cancelled, "cancelled");
}

void RunPool::abandon(Call& call) {
    call.next = call.count;
    std::erase(waiting_, &call);
}

void RunPool::loop(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (work_.wait(lock, stop, [&] { return !waiting_.empty(); })) {
        Call& call = *waiting_.front();
        waiting_.pop_front();
        const auto index = call.next++;
        if (call.next < call.count) waiting_.push_back(&call);
        ++call.running;
        lock.unlock();
        std::exception_ptr error;
        try {
            call.work(index);
        } catch (...) {
            error = std::current_exception();
        }
        lock.lock();
        --call.running;
        if (error) {
            if (!call.error) call.error = error;
            abandon(call);
        }
        // Under the lock: the call is gone as soon as its thread sees that it is over.
        if (call.over()) call.ended.notify_one();
    }
}

}  // namespace memoir::model
