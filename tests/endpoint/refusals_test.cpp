#include "endpoint/refusals.hpp"

#include <catch2/catch.hpp>

using namespace memoir;
using endpoint::Jobs;
using endpoint::Refusals;

namespace {

Failure refusal(const std::string& reason = "HTTP 400") {
    return {FailureType::permanent, reason};
}

// Jobs from..to.
Jobs jobs(std::int64_t from, std::int64_t to) {
    Jobs list;
    for (auto id = from; id <= to; ++id) list.push_back(id);
    return list;
}

}  // namespace

TEST_CASE("each job that is refused alike counts once, however often it comes back") {
    Refusals refusals;
    for (std::uint64_t time = 1; time <= 4; ++time) {
        refusals.refused(refusal(), {7}, time);
        CHECK(refusals.standing(refusal(), {7}).times == static_cast<int>(time));
    }
    CHECK(refusals.standing(refusal(), {7}).alike == 1);
    refusals.refused(refusal(), {8}, 5);
    CHECK(refusals.standing(refusal(), {8}).alike == 2);
    CHECK(refusals.companions(refusal(), {8}) == Jobs{7});
    CHECK(refusals.most_alike() == 2);
}

TEST_CASE("another reason or type is another refusal, other numbers in it are not") {
    Refusals refusals;
    refusals.refused(refusal("the text has 700 tokens of at most 512"), {1}, 1);
    refusals.refused(refusal("the text has 900 tokens of at most 512"), {2}, 2);
    refusals.refused(refusal("HTTP 400"), {3}, 3);
    refusals.refused(refusal("HTTP 422"), {4}, 4);
    refusals.refused(Failure(FailureType::job, "HTTP 400"), {5}, 5);
    CHECK(refusals.standing(refusal("the text has 900 tokens of at most 512"), {2}).alike == 2);
    CHECK(refusals.standing(refusal("HTTP 422"), {4}).alike == 1);
    CHECK(refusals.standing(Failure(FailureType::job, "HTTP 400"), {5}).alike == 1);
}

TEST_CASE("a batch holds one culprit at least, and its parts show how many") {
    Refusals refusals;
    refusals.refused(refusal(), jobs(1, 32), 1);
    CHECK(refusals.standing(refusal(), jobs(1, 32)).alike == 1);
    refusals.refused(refusal(), jobs(1, 7), 2);
    CHECK(refusals.standing(refusal(), jobs(1, 7)).alike == 1);
    refusals.refused(refusal(), jobs(8, 14), 3);
    CHECK(refusals.standing(refusal(), jobs(8, 14)).alike == 2);
    // All of it again: no culprit that is not known.
    refusals.refused(refusal(), jobs(1, 32), 4);
    CHECK(refusals.most_alike() == 2);
}

TEST_CASE("another job's success ends a row of refusals, a job's own does not") {
    Refusals refusals;
    for (std::int64_t job = 1; job <= 3; ++job)
        refusals.refused(refusal(), {job}, static_cast<std::uint64_t>(job));
    refusals.served({3}, 4);
    CHECK(refusals.standing(refusal(), {3}).alike == 1);
    CHECK_FALSE(refusals.standing(refusal(), {3}).served);
    CHECK(refusals.standing(refusal(), {1}).served);
    refusals.served({}, 5);
    CHECK(refusals.most_alike() == 0);
    CHECK(refusals.standing(refusal(), {3}).served);
    // It is remembered who was refused before the success.
    refusals.refused(refusal(), {1}, 6);
    CHECK(refusals.standing(refusal(), {1}).alike == 1);
    CHECK(refusals.standing(refusal(), {1}).served);
}

TEST_CASE("who joined since a job was refused the last time is told, who had joined before is not") {
    Refusals refusals;
    refusals.refused(refusal(), {1}, 1);
    refusals.refused(refusal(), {2}, 2);
    refusals.refused(refusal(), {1}, 3);
    CHECK(refusals.standing(refusal(), {1}).joined);
    refusals.refused(refusal(), {1}, 4);
    CHECK_FALSE(refusals.standing(refusal(), {1}).joined);
}

TEST_CASE("what was the endpoint's doing is forgotten, a limit is not") {
    Refusals refusals;
    const Failure limit(FailureType::throttled, "HTTP 429");
    refusals.refused(refusal(), {1}, 1);
    refusals.refused(limit, {2}, 2);
    refusals.explained(refusal(), {1});
    refusals.explained(limit, {2});
    CHECK(refusals.standing(refusal(), {1}).times == 0);
    CHECK(refusals.standing(limit, {2}).times == 1);
    CHECK(refusals.most_alike() == 0);
}

TEST_CASE("a call for no job is not kept") {
    Refusals refusals;
    refusals.refused(refusal(), {}, 1);
    CHECK(refusals.standing(refusal(), {}).alike == 0);
    CHECK(refusals.most_alike() == 0);
}
