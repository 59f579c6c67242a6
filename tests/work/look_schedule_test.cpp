#include <catch2/catch.hpp>

#include "work/queue_poller.hpp"

using namespace memoir;
using namespace memoir::work;

namespace {
const TimePoint start{std::chrono::hours(1)};
}

TEST_CASE("a quick look is made once a poll interval") {
    LookSchedule schedule(Milliseconds(1'000));
    CHECK(schedule.due("embed", start));
    schedule.took("embed", start, Milliseconds(50));
    CHECK(schedule.due("embed", start));
    CHECK_FALSE(schedule.slow("embed"));
}

TEST_CASE("dear looks are made less and less often, every 30 s at the latest") {
    LookSchedule schedule(Milliseconds(1'000));
    auto now = start;
    std::vector<long> waits;
    for (int look = 0; look < 7; ++look) {
        schedule.took("embed", now, Milliseconds(51));
        long seconds = 0;
        while (!schedule.due("embed", now)) {
            now += Milliseconds(1'000);
            ++seconds;
        }
        waits.push_back(seconds);
    }
    CHECK(waits == std::vector<long>{2, 4, 8, 16, 30, 30, 30});
    CHECK(schedule.slow("embed"));
}

TEST_CASE("one kind's dear look does not hold back another's") {
    LookSchedule schedule(Milliseconds(1'000));
    schedule.took("embed", start, Milliseconds(500));
    CHECK(schedule.due("extract", start));
}

TEST_CASE("a kind whose look is quick again is looked at as before") {
    LookSchedule schedule(Milliseconds(1'000));
    schedule.took("embed", start, Milliseconds(500));
    schedule.took("embed", start + Milliseconds(2'000), Milliseconds(1));
    CHECK(schedule.due("embed", start + Milliseconds(2'000)));
    CHECK_FALSE(schedule.slow("embed"));
}
