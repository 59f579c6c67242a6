#include "app/observation.hpp"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using memoir::app::until_next_count;

TEST_CASE("the queue is counted every 5 s while somebody looks, and once a minute while nobody does") {
    CHECK(until_next_count(true, 0ms) == 5s);
    CHECK(until_next_count(true, 250ms) == 5s);
    CHECK(until_next_count(false, 250ms) == 60s);
}

TEST_CASE("a count that took long is made less often") {
    CHECK(until_next_count(true, 3s) == 60s);
    CHECK(until_next_count(false, 3s) == 60s);
    CHECK(until_next_count(false, 10s) == 200s);
}
