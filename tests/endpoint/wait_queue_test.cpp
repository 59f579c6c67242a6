#include "endpoint/wait_queue.hpp"

#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "support/wait.hpp"

using namespace memoir;
using endpoint::WaitQueue;
using namespace std::chrono_literals;

namespace {

// Something that n threads may have at once.
struct Resource {
    std::mutex mutex;
    WaitQueue waiters;
    int free = 0;
    std::vector<int> order;

    bool take(int who, std::stop_token stop = {}) {
        std::unique_lock lock(mutex);
        const auto wait_for = [&]() -> std::optional<Steady::duration> {
            if (free > 0) return Steady::duration(0);
            return std::nullopt;
        };
        if (!waiters.wait(lock, stop, wait_for)) return false;
        --free;
        order.push_back(who);
        return true;
    }
    int waiting() {
        std::lock_guard lock(mutex);
        return waiters.size();
    }
    void give(int count) {
        std::lock_guard lock(mutex);
        free += count;
        waiters.notify();
    }
};

}  // namespace

TEST_CASE("who came first goes first, and each lets the next one go") {
    Resource resource;
    std::vector<std::jthread> threads;
    for (int who = 0; who < 6; ++who) {
        threads.emplace_back([&, who] { resource.take(who); });
        REQUIRE(test::eventually([&] { return resource.waiting() == who + 1; }));
    }
    resource.give(6);
    threads.clear();
    CHECK(resource.order == std::vector<int>{0, 1, 2, 3, 4, 5});
}

TEST_CASE("a stop takes its thread out of the line, wherever it stands") {
    Resource resource;
    std::stop_source first, second;
    bool first_got = true, second_got = true;
    std::jthread one([&] { first_got = resource.take(1, first.get_token()); });
    REQUIRE(test::eventually([&] { return resource.waiting() == 1; }));
    std::jthread two([&] { second_got = resource.take(2, second.get_token()); });
    REQUIRE(test::eventually([&] { return resource.waiting() == 2; }));
    std::jthread three([&] { resource.take(3); });
    REQUIRE(test::eventually([&] { return resource.waiting() == 3; }));
    second.request_stop();
    two.join();
    CHECK(resource.waiting() == 2);
    first.request_stop();
    one.join();
    resource.give(1);
    three.join();
    CHECK_FALSE(first_got);
    CHECK_FALSE(second_got);
    CHECK(resource.order == std::vector<int>{3});
}

TEST_CASE("an exception of the condition ends every wait") {
    std::mutex mutex;
    WaitQueue waiters;
    bool broken = false;
    std::atomic<int> thrown{0};
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            std::unique_lock lock(mutex);
            try {
                waiters.wait(lock, {}, [&]() -> std::optional<Steady::duration> {
                    if (broken) throw 1;
                    return std::nullopt;
                });
            } catch (int) {
                ++thrown;
            }
        });
    CHECK(test::eventually([&] {
        std::lock_guard lock(mutex);
        return waiters.size() == 4;
    }));
    {
        std::lock_guard lock(mutex);
        broken = true;
        waiters.notify_all();
    }
    threads.clear();
    CHECK(thrown == 4);
    CHECK(waiters.empty());
}

TEST_CASE("a time that comes lets the first one go without being told") {
    std::mutex mutex;
    WaitQueue waiters;
    const auto due = Steady::now() + 20ms;
    std::unique_lock lock(mutex);
    CHECK(waiters.wait(lock, {}, [&] { return std::optional<Steady::duration>(due - Steady::now()); }));
    CHECK(Steady::now() >= due);
}
