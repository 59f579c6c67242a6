#include "graph/resolve.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "graph/graph.hpp"

using namespace memoir::graph;

namespace {
// At this cosine from (1, 0).
std::vector<float> at(double cosine) {
    return {static_cast<float>(cosine), static_cast<float>(std::sqrt(1 - cosine * cosine))};
}
}  // namespace

TEST_CASE("a name means the nearest node at 0.75 and above, else a new node of that name") {
    Entities entities(2);
    entities.add("Ann", {1, 0});
    CHECK(entities.resolve("Anna", at(0.7501)) == "Ann");
    CHECK(entities.resolve("Anna", at(0.7499)) == "Anna");
    entities.add("Annie", at(0.9));
    CHECK(entities.resolve("Anna", at(0.85)) == "Annie");
    CHECK(entities.resolve("Anna", std::vector<float>{2, 0}) == "Ann");
}

TEST_CASE(
    "an embedding of another length or of norm zero is no candidate, and of equals the smaller name is") {
    Entities entities(2);
    entities.add("short", {1});
    entities.add("zero", {0, 0});
    entities.add("none", {});
    CHECK(entities.resolve("x", std::vector<float>{1, 0}) == "x");
    CHECK(entities.known("none"));
    entities.add("b", {1, 0});
    entities.add("a", {1, 0});
    CHECK(entities.resolve("x", std::vector<float>{1, 0}) == "a");
}

TEST_CASE("times have as many digits as they need out of none, three and six, and always +00:00") {
    CHECK(timestamp("2026-11-23T07:00:57.435669") == "2026-11-23T07:00:57.435669+00:00");
    CHECK(timestamp("2026-11-23T07:00:57.435000") == "2026-11-23T07:00:57.435+00:00");
    CHECK(timestamp("2026-11-23T07:00:57.000000") == "2026-11-23T07:00:57+00:00");
    CHECK(timestamp("2026-11-23T07:00:57.000001") == "2026-11-23T07:00:57.000001+00:00");
}
