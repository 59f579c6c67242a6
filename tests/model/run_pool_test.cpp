#include "model/run_pool.hpp"

#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <latch>
#include <stdexcept>

#include "base/failure.hpp"
#include "support/wait.hpp"

using namespace memoir;
using model::RunPool;

TEST_CASE("does every unit of work once and returns when all have ended") {
    RunPool pool(3);
    CHECK(pool.threads() == 3);
    std::vector<std::atomic<int>> done(100);
    pool.run(done.size(), [&](std::size_t index) { ++done[index]; }, {});
    for (const auto& times : done) CHECK(times == 1);
    pool.run(0, [](std::size_t) { FAIL("nothing was asked for"); }, {});
    CHECK(RunPool(0).threads() == 1);
}

TEST_CASE("never runs more at a time than it has threads, whoever calls") {
    RunPool pool(2);
    std::atomic<int> running = 0, most = 0;
    std::latch both(2);
    const auto work = [&](std::size_t index) {
        const int now = ++running;
        for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
        if (index == 0) both.count_down();  // the first of two callers: proves that two run at once
        if (index == 0) both.wait();
        --running;
    };
    {
        std::jthread first([&] { pool.run(50, work, {}); });
        std::jthread second([&] { pool.run(50, work, {}); });
    }
    CHECK(most == 2);
}

TEST_CASE("lets callers take turns, so that a short call does not wait for a long one") {
    RunPool pool(1);
    std::latch queued(1);
    std::atomic<int> long_done = 0;
    int long_done_when_short_ended = -1;
    std::atomic<bool> begun = false;
    std::jthread longer([&] {
        pool.run(100,
                 [&](std::size_t) {
                     begun = true;
                     queued.wait();
                     ++long_done;
                 },
                 {});
    });
    REQUIRE(test::eventually([&] { return begun.load(); }));
    std::jthread shorter(
        [&] { pool.run(1, [&](std::size_t) { long_done_when_short_ended = long_done; }, {}); });
    REQUIRE(test::eventually([&] { return pool.waiting() == 2; }));
    queued.count_down();
    shorter.join();
    longer.join();
    CHECK(long_done_when_short_ended <= 2);
    CHECK(long_done == 100);
}

TEST_CASE("begins nothing more after a failure and throws the first") {
    RunPool pool(1);
    int begun = 0;
    const auto work = [&](std::size_t index) {
        ++begun;
        if (index == 2) throw std::runtime_error("the third");
    };
    CHECK_THROWS_WITH(pool.run(10, work, {}), "the third");
    CHECK(begun == 3);
    pool.run(1, [&](std::size_t) { ++begun; }, {});  // and goes on with the next call
    CHECK(begun == 4);
}

TEST_CASE("begins nothing more once it is told to stop, and says cancelled") {
    RunPool pool(1);
    std::stop_source stop;
    int begun = 0;
    try {
        pool.run(
            10,
            [&](std::size_t) {
                ++begun;
                stop.request_stop();
                // The caller has to have seen it before this unit ends, or the next would begin.
                REQUIRE(test::eventually([&] { return pool.waiting() == 0; }));
            },
            stop.get_token());
        FAIL("it went on");
    } catch (const Failure& failure) {
        CHECK(failure.type() == FailureType::cancelled);
    }
    CHECK(begun == 1);
    CHECK_THROWS_AS(pool.run(
                        1, [&](std::size_t) { ++begun; }, stop.get_token()),
                    Failure);
    CHECK(begun == 1);
}

TEST_CASE("stops waiting for a busy pool when told to") {
    RunPool pool(1);
    std::latch release(1);
    std::atomic<bool> busy = false;
    std::jthread holder([&] {
        pool.run(1,
                 [&](std::size_t) {
                     busy = true;
                     release.wait();
                 },
                 {});
    });
    REQUIRE(test::eventually([&] { return busy.load(); }));
    std::stop_source stop;
    std::jthread stopper([&] {
        test::eventually([&] { return pool.waiting() == 1; });
        stop.request_stop();
    });
    CHECK_THROWS_AS(pool.run(
                        1, [](std::size_t) { FAIL("it ran"); }, stop.get_token()),
                    Failure);
    release.count_down();
}

namespace {

// A control group file system of a test's own.
class Groups {
  public:
    Groups()
        : root_(std::filesystem::temp_directory_path() / ("memoird-groups-" + std::to_string(getpid()))) {
        std::filesystem::create_directories(root_);
    }
    ~Groups() { std::filesystem::remove_all(root_); }
    Groups& file(const std::string& path, const std::string& text) {
        std::filesystem::create_directories((root_ / path).parent_path());
        std::ofstream(root_ / path) << text;
        return *this;
    }
    double quota(const std::string& proc) const { return model::cgroup_quota(proc, root_); }

  private:
    std::filesystem::path root_;
};

}  // namespace

TEST_CASE("reads the CPU quota of version 2 groups, the strictest on the way up") {
    Groups groups;
    groups.file("system.slice/memoird.service/cpu.max", "150000 100000\n")
        .file("system.slice/cpu.max", "max 100000\n");
    CHECK(groups.quota("0::/system.slice/memoird.service\n") == 1.5);
    groups.file("system.slice/cpu.max", "50000 100000\n");
    CHECK(groups.quota("0::/system.slice/memoird.service\n") == 0.5);
    CHECK(groups.quota("0::/user.slice\n") == 0);
}

TEST_CASE("reads the CPU quota of a container that sees its own group as the root") {
    CHECK(Groups().file("cpu.max", "200000 100000\n").quota("0::/\n") == 2);
    // The path of the host, of which the container's mount shows nothing but the group itself.
    CHECK(Groups().file("cpu.max", "200000 100000\n").quota("0::/docker/1234\n") == 2);
}

TEST_CASE("reads the CPU quota of version 1 groups") {
    Groups groups;
    groups.file("cpu,cpuacct/a/cpu.cfs_quota_us", "300000\n")
        .file("cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    groups.file("cpu,cpuacct/cpu.cfs_quota_us", "-1\n").file("cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    const std::string proc = "12:cpuset:/a\n4:cpu,cpuacct:/a\n1:name=systemd:/a\n0::/a\n";
    CHECK(groups.quota(proc) == 3);
    CHECK(groups.quota("4:cpu,cpuacct:/b\n") == 0);
    CHECK(groups.quota("garbage\n\n::\n") == 0);
}

TEST_CASE("uses one CPU at least") {
    CHECK(model::usable_cpus() >= 1);
}
