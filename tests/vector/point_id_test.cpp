#include "vector/point_id.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "base/random_id.hpp"

using memoir::vector::point_id;

TEST_CASE("the id of a pid never changes between versions") {
    // Reference: Python's uuid.uuid5(uuid.uuid5(NAMESPACE_URL, "memoird"), pid).
    CHECK(point_id("V1StGXR8_Z5jdHi6B-myT") == "496a14db-5802-5bf8-8f61-004216cd2ead");
    CHECK(point_id("") == "3dd30e74-f446-52cb-af14-84d79550c978");
}

TEST_CASE("different pids have different ids, the same pid the same one") {
    std::set<std::string> ids;
    for (int i = 0; i < 1000; ++i) {
        const auto pid = memoir::random_pid();
        CHECK(point_id(pid) == point_id(pid));
        ids.insert(point_id(pid));
    }
    CHECK(ids.size() == 1000);
}

TEST_CASE("pids that differ in case only have different ids") {
    CHECK(point_id("a") != point_id("A"));
}
