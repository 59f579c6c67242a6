#include "model/micro_batches.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

using memoir::model::plan_micro_batches;
using Batches = std::vector<std::vector<std::size_t>>;

namespace {

Batches plan(std::vector<std::size_t> lengths, std::size_t budget) {
    return plan_micro_batches(lengths, budget);
}

}  // namespace

TEST_CASE("puts texts of like length together, the longest first") {
    CHECK(plan({10, 100, 12, 90, 11}, 200) == Batches{{1, 3}, {2, 4, 0}});
    CHECK(plan({5, 5, 5}, 10) == Batches{{0, 1}, {2}});
    CHECK(plan({}, 256).empty());
}

TEST_CASE("runs a text that is longer than the budget alone") {
    CHECK(plan({512, 300, 20, 20}, 256) == Batches{{0}, {1}, {2, 3}});
    CHECK(plan({256, 256}, 256) == Batches{{0}, {1}});
    CHECK(plan({9, 9}, 0) == Batches{{0}, {1}});
}

TEST_CASE("takes every text exactly once and keeps to the budget with padding counted") {
    std::mt19937 random(7);
    for (int round = 0; round < 500; ++round) {
        std::vector<std::size_t> lengths(random() % 60);
        for (auto& length : lengths) length = 2 + random() % 511;
        std::vector<bool> taken(lengths.size());
        std::size_t before = 512;
        for (const auto& batch : plan(lengths, 256)) {
            REQUIRE(!batch.empty());
            std::size_t longest = 0;
            for (const auto index : batch) {
                REQUIRE(!taken[index]);
                taken[index] = true;
                longest = std::max(longest, lengths[index]);
            }
            REQUIRE((batch.size() == 1 || longest * batch.size() <= 256));
            REQUIRE(longest <= before);
            before = longest;
        }
        REQUIRE(std::count(taken.begin(), taken.end(), false) == 0);
    }
}
