#include "work/park_history.hpp"

#include <catch2/catch.hpp>

using namespace memoir;
using namespace std::chrono_literals;
using work::ParkHistory;

TEST_CASE("returns are counted in a row, each job for itself") {
    ParkHistory returns;
    const auto now = Steady::now();
    CHECK(returns.came_back(1, now) == 1);
    CHECK(returns.came_back(1, now) == 2);
    CHECK(returns.came_back(2, now) == 1);
    CHECK(returns.times(1) == 2);
    CHECK(returns.times(3) == 0);
    returns.forget(1);
    CHECK(returns.came_back(1, now) == 1);
    CHECK(returns.size() == 2);
}

TEST_CASE("the wait doubles from the third time on, within ten minutes or sixteen times what is asked for") {
    CHECK(ParkHistory::delay(1, 1s) == 1s);
    CHECK(ParkHistory::delay(2, 1s) == 1s);
    CHECK(ParkHistory::delay(3, 1s) == 2s);
    CHECK(ParkHistory::delay(6, 1s) == 16s);
    CHECK(ParkHistory::delay(1'000, 1s) == 10min);
    CHECK(ParkHistory::delay(3, 15min) == 30min);
    CHECK(ParkHistory::delay(1'000, 15min) == 4h);
}

TEST_CASE("what is counted stays bounded, and what nobody came back to goes first") {
    ParkHistory returns;
    const auto now = Steady::now();
    for (int job = 0; job < 9'999; ++job) returns.came_back(job, now - 25h);
    returns.came_back(10'000, now);
    CHECK(returns.came_back(10'000, now) == 2);
    CHECK(returns.size() == 1);
    for (int job = 0; job < 30'000; ++job) returns.came_back(job, now);
    CHECK(returns.size() <= 10'000);
}

TEST_CASE("a job that comes back to an endpoint that has served no other meanwhile is not counted again") {
    ParkHistory returns;
    const auto now = Steady::now();
    CHECK(returns.came_back(1, now, 10) == 1);
    CHECK(returns.came_back(1, now, 10) == 1);
    CHECK(returns.came_back(1, now, 11) == 2);
    CHECK(returns.came_back(1, now, 11) == 2);
}

TEST_CASE("a job that was refused is known for it until it is forgotten") {
    ParkHistory returns;
    returns.refused(1, Steady::now());
    CHECK(returns.was_refused(1));
    CHECK(returns.times(1) == 0);
    CHECK_FALSE(returns.was_refused(2));
    returns.forget(1);
    CHECK_FALSE(returns.was_refused(1));
}
