#include "work/brake.hpp"

#include <catch2/catch.hpp>

using namespace memoir;
using namespace std::chrono_literals;
using work::Brake;

TEST_CASE("a few jobs of a kind fail for the same cause within a minute, the others wait for their turn") {
    Brake brake;
    const auto start = Steady::now();
    for (std::size_t job = 0; job < Brake::most; ++job)
        CHECK(brake.may_fail("extract", "HTTP 400", start + 1s * static_cast<int>(job)).wait == 0ms);
    const auto first = brake.may_fail("extract", "HTTP 400", start + 5s);
    CHECK(first.wait == 55s);
    CHECK(first.pulled);
    const auto second = brake.may_fail("extract", "HTTP 400", start + 5s);
    CHECK(second.wait == 67s);
    CHECK_FALSE(second.pulled);
    SECTION("whose turn it is may fail") {
        CHECK(brake.may_fail("extract", "HTTP 400", start + 60s).wait == 0ms);
        CHECK(brake.may_fail("extract", "HTTP 400", start + 72s).wait == 0ms);
    }
    SECTION("another kind or cause is another matter") {
        CHECK(brake.may_fail("embed", "HTTP 400", start + 5s).wait == 0ms);
        CHECK(brake.may_fail("extract", "HTTP 422", start + 5s).wait == 0ms);
    }
    SECTION("a job waits ten minutes at most before it asks again") {
        Milliseconds longest{0};
        for (int job = 0; job < 500; ++job)
            longest = std::max(longest, brake.may_fail("extract", "HTTP 400", start + 5s).wait);
        CHECK(longest == 10min);
    }
    SECTION("after a quiet minute it is news again") {
        for (std::size_t job = 0; job < Brake::most; ++job)
            CHECK(brake.may_fail("extract", "HTTP 400", start + 200s).wait == 0ms);
        CHECK(brake.may_fail("extract", "HTTP 400", start + 200s).pulled);
    }
}

TEST_CASE("numbers in a reason do not make it another cause") {
    Brake brake;
    const auto now = Steady::now();
    for (std::size_t job = 0; job < Brake::most; ++job)
        CHECK(brake.may_fail("embed", "the text has " + std::to_string(job) + " tokens", now).wait == 0ms);
    CHECK(brake.may_fail("embed", "the text has 99 tokens", now).wait > 0ms);
}
