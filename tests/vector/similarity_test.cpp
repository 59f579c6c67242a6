#include "vector/similarity.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <random>

using namespace memoir::vector;

namespace {

Query query(std::vector<float> vector, int limit = 10, std::optional<double> score_above = std::nullopt) {
    return {.agent_id = "a",
            .org_id = "o",
            .user_id = "u",
            .kind = std::nullopt,
            .vector = std::move(vector),
            .limit = limit,
            .score_above = score_above};
}

std::vector<std::string> pids(const std::vector<Hit>& hits) {
    std::vector<std::string> result;
    for (const auto& hit : hits) result.push_back(hit.pid);
    return result;
}

}  // namespace

TEST_CASE("the cosine of any length of vector is the same as computed plainly") {
    std::mt19937 random(1);
    std::normal_distribution<float> number;
    for (const std::size_t size : {1, 7, 8, 9, 16, 383, 384, 1025}) {
        std::vector<float> a(size), b(size);
        std::generate(a.begin(), a.end(), [&] { return number(random); });
        std::generate(b.begin(), b.end(), [&] { return number(random); });
        double ab = 0, aa = 0, bb = 0;
        for (std::size_t i = 0; i < size; ++i) {
            ab += double(a[i]) * double(b[i]);
            aa += double(a[i]) * double(a[i]);
            bb += double(b[i]) * double(b[i]);
        }
        CHECK(cosine(a, b) == Approx(ab / std::sqrt(aa * bb)).margin(1e-6));
    }
}

TEST_CASE("a vector of norm zero is like nothing") {
    CHECK(cosine(std::vector<float>{0, 0}, std::vector<float>{1, 0}) == 0);
}

TEST_CASE("a score at the threshold does not pass, and scores are compared in 32 bits") {
    CHECK(above(0.5, std::nullopt));
    CHECK_FALSE(above(0.5, 0.5));
    CHECK(above(0.50001, 0.5));
    CHECK_FALSE(above(static_cast<double>(0.3F), 0.3));  // larger only as doubles
    CHECK(above(-0.5, -1.0));
}

TEST_CASE("keeps the best, best first") {
    const auto q = query({1, 0}, 2);
    Nearest nearest(q);
    nearest.offer("far", std::vector<float>{0, 1});
    nearest.offer("near", std::vector<float>{1, 0.1F});
    nearest.offer("nearest", std::vector<float>{2, 0});
    nearest.offer("opposite", std::vector<float>{-1, 0});
    const auto hits = nearest.take();
    CHECK(pids(hits) == std::vector<std::string>{"nearest", "near"});
    CHECK(hits[0].score == Approx(1.0));
}

TEST_CASE("of equal scores the smaller pids are kept, in their order") {
    const auto q = query({1, 0}, 2);
    Nearest nearest(q);
    for (const auto* pid : {"c", "a", "b", "d"}) nearest.offer(pid, std::vector<float>{1, 0});
    CHECK(pids(nearest.take()) == std::vector<std::string>{"a", "b"});
}

TEST_CASE("a limit of zero or less finds nothing") {
    for (const int limit : {0, -1}) {
        const auto q = query({1, 0}, limit);
        Nearest nearest(q);
        nearest.offer("a", std::vector<float>{1, 0});
        CHECK(nearest.take().empty());
    }
}

TEST_CASE("a stored vector that is not finite is never found") {
    const auto q = query({1, 0});
    Nearest nearest(q);
    nearest.offer("nan", std::vector<float>{std::numeric_limits<float>::quiet_NaN(), 0});
    CHECK(nearest.take().empty());
}
