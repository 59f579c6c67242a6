#include "work/claim_scheduler.hpp"

#include <catch2/catch.hpp>

using namespace memoir;
using namespace memoir::work;

namespace {

const auto open = [](const std::string&) { return true; };

// One lane of one kind, the first looks (for work, for suspects) done and empty.
ClaimScheduler settled_scheduler(int loops = 4, int batch = 10) {
    ClaimScheduler scheduler({{"lane", {"embed"}, loops, batch}});
    while (auto pick = scheduler.pick("lane", open)) scheduler.claimed(*pick, 0, {});
    return scheduler;
}

queue::Look look(const std::string& kind, std::optional<queue::Position> first, bool suspect = false) {
    return {{{kind, first, suspect}}, {}};
}

}  // namespace

TEST_CASE("at start every kind is claimed from the start once") {
    ClaimScheduler scheduler({{"lane", {"embed"}, 4, 10}});
    auto suspect = scheduler.pick("lane", open);
    REQUIRE(suspect);
    CHECK(suspect->suspect);
    scheduler.claimed(*suspect, 0, {});
    const auto pick = scheduler.pick("lane", open);
    REQUIRE(pick);
    CHECK(pick->from_start);
    CHECK(pick->limit == 10);
    CHECK_FALSE(scheduler.pick("lane", open));
}

TEST_CASE("an idle lane has nothing to pick") {
    auto scheduler = settled_scheduler();
    CHECK_FALSE(scheduler.pick("lane", open));
    CHECK_FALSE(scheduler.wants("lane", open));
}

TEST_CASE("a wake sends one loop, however often it comes") {
    auto scheduler = settled_scheduler();
    scheduler.wake("embed");
    scheduler.wake("embed");
    CHECK(scheduler.pick("lane", open));
    CHECK_FALSE(scheduler.pick("lane", open));
}

TEST_CASE("a full batch brings the next loop along, up to the number of loops") {
    auto scheduler = settled_scheduler(3);
    scheduler.wake("embed");
    auto first = scheduler.pick("lane", open);
    scheduler.claimed(*first, 10, {100, 10});
    auto second = scheduler.pick("lane", open), third = scheduler.pick("lane", open);
    REQUIRE(second);
    REQUIRE(third);
    CHECK_FALSE(scheduler.pick("lane", open));
    scheduler.claimed(*second, 10, {200, 20});
    scheduler.claimed(*third, 10, {300, 30});
    int more = 0;
    while (scheduler.pick("lane", open)) ++more;
    CHECK(more == 3);
}

TEST_CASE("a batch that is not full is followed by one more try of the same loop") {
    auto scheduler = settled_scheduler();
    scheduler.wake("embed");
    scheduler.claimed(*scheduler.pick("lane", open), 3, {100, 3});
    const auto again = scheduler.pick("lane", open);
    REQUIRE(again);
    CHECK_FALSE(again->woken);
    scheduler.claimed(*again, 0, {});
    CHECK_FALSE(scheduler.pick("lane", open));
}

TEST_CASE("claims go on from the cursor") {
    auto scheduler = settled_scheduler();
    scheduler.wake("embed");
    scheduler.claimed(*scheduler.pick("lane", open), 3, {100, 7});
    const auto pick = scheduler.pick("lane", open);
    CHECK_FALSE(pick->from_start);
    CHECK(pick->after == queue::Position{100, 7});
}

TEST_CASE("a woken loop whose claim from the cursor found nothing looks from the start") {
    auto scheduler = settled_scheduler();
    scheduler.wake("embed");
    scheduler.claimed(*scheduler.pick("lane", open), 0, {});
    const auto again = scheduler.pick("lane", open);
    REQUIRE(again);
    CHECK(again->from_start);
    scheduler.claimed(*again, 0, {});
    CHECK_FALSE(scheduler.pick("lane", open));
}

TEST_CASE("where a look from the start is dear nothing past the cursor counts as idle") {
    auto scheduler = settled_scheduler();
    scheduler.set_slow("embed", true);
    scheduler.wake("embed");
    scheduler.claimed(*scheduler.pick("lane", open), 0, {});
    CHECK_FALSE(scheduler.pick("lane", open));
}

TEST_CASE("a row found before the cursor moves it to just before that row") {
    auto scheduler = settled_scheduler();
    scheduler.wake("embed");
    scheduler.claimed(*scheduler.pick("lane", open), 3, {500, 50});
    scheduler.claimed(*scheduler.pick("lane", open), 0, {});
    scheduler.looked(look("embed", queue::Position{200, 20}));
    const auto pick = scheduler.pick("lane", open);
    REQUIRE(pick);
    CHECK(pick->after == queue::Position{200, 19});
    CHECK(pick->after < queue::Position{200, 20});
}

TEST_CASE("a claim that was under way when the cursor was set back does not move it on") {
    auto scheduler = settled_scheduler();
    scheduler.wake("embed");
    scheduler.claimed(*scheduler.pick("lane", open), 10, {500, 50});
    const auto under_way = scheduler.pick("lane", open);
    scheduler.found("embed", {200, 20});
    scheduler.claimed(*under_way, 10, {900, 90});
    const auto pick = scheduler.pick("lane", open);
    REQUIRE(pick);
    CHECK(pick->after == queue::Position{200, 19});
}

TEST_CASE("the kinds of a lane take turns") {
    ClaimScheduler scheduler({{"lane", {"extract", "reprocess"}, 4, 1}});
    std::map<std::string, int> picks;
    for (int round = 0; round < 40; ++round) {
        const auto pick = scheduler.pick("lane", open);
        REQUIRE(pick);
        if (!pick->suspect) ++picks[pick->kind];
        scheduler.claimed(*pick, pick->suspect ? 0 : 1, {round, round});
    }
    CHECK(picks["extract"] >= 18);
    CHECK(picks["reprocess"] >= 18);
}

TEST_CASE("a kind whose backend is away is not claimed, the others of its lane are") {
    ClaimScheduler scheduler({{"lane", {"extract", "reprocess"}, 4, 1}});
    const auto gate = [](const std::string& kind) { return kind != "extract"; };
    while (const auto pick = scheduler.pick("lane", gate)) {
        CHECK(pick->kind == "reprocess");
        scheduler.claimed(*pick, 0, {});
    }
    CHECK(scheduler.wants("lane", open));
}

TEST_CASE("a paused kind is not claimed until it is resumed, and a star pauses all") {
    auto scheduler = settled_scheduler();
    for (const std::string pause : {"embed", "*"}) {
        scheduler.wake("embed");
        scheduler.looked({{}, {pause}});
        CHECK_FALSE(scheduler.pick("lane", open));
        scheduler.looked({{}, {}});
        const auto pick = scheduler.pick("lane", open);
        REQUIRE(pick);
        scheduler.claimed(*pick, 0, {});
        while (const auto rest = scheduler.pick("lane", open)) scheduler.claimed(*rest, 0, {});
    }
}

TEST_CASE("one suspect at a time is taken, alone") {
    auto scheduler = settled_scheduler();
    scheduler.looked(look("embed", std::nullopt, true));
    const auto first = scheduler.pick("lane", open);
    REQUIRE(first);
    CHECK(first->suspect);
    CHECK(first->limit == 1);
    scheduler.claimed(*first, 1, {100, 1});
    scheduler.looked(look("embed", std::nullopt, true));
    CHECK_FALSE(scheduler.pick("lane", open));
    scheduler.suspect_settled();
    const auto second = scheduler.pick("lane", open);
    REQUIRE(second);
    CHECK(second->suspect);
}

TEST_CASE("an unanswered claim is made again") {
    auto scheduler = settled_scheduler();
    scheduler.wake("embed");
    const auto pick = scheduler.pick("lane", open);
    scheduler.unanswered(*pick);
    CHECK(scheduler.pick("lane", open));
}

TEST_CASE("a kind that is not served here cannot be woken") {
    auto scheduler = settled_scheduler();
    scheduler.wake("synthesize");
    scheduler.found("nonsense", {1, 1});
    CHECK_FALSE(scheduler.pick("lane", open));
}

TEST_CASE("other lanes keep what is known of a kind that stays, and look at it once") {
    auto scheduler = settled_scheduler(2);
    scheduler.wake("embed");
    const auto pick = scheduler.pick("lane", open);
    scheduler.claimed(*pick, 3, {100, 10});
    while (const auto more = scheduler.pick("lane", open)) scheduler.claimed(*more, 0, {});
    scheduler.follow({{"other", {"embed", "extract"}, 1, 5}});
    CHECK_FALSE(scheduler.pick("lane", open));
    CHECK_FALSE(scheduler.wants("lane", open));
    const auto again = scheduler.pick("other", open);
    REQUIRE(again);
    CHECK(again->kind == "embed");
    CHECK(again->limit == 5);
    CHECK(again->after == queue::Position{100, 10});
    CHECK(scheduler.lane_of("embed") == "other");
}

TEST_CASE("a claim of a kind that left and came back meanwhile says nothing about where to look") {
    auto scheduler = settled_scheduler();
    scheduler.wake("embed");
    const auto pick = scheduler.pick("lane", open);
    scheduler.follow({});
    scheduler.claimed(*pick, 0, {});
    scheduler.unanswered(*pick);
    CHECK_FALSE(scheduler.serves("embed"));
    scheduler.follow({{"lane", {"embed"}, 4, 10}});
    scheduler.claimed(*pick, 10, {100, 10});
    auto next = scheduler.pick("lane", open);
    REQUIRE(next);
    if (next->suspect) next = scheduler.pick("lane", open);
    REQUIRE(next);
    CHECK(next->from_start);
}

TEST_CASE("a suspect's claim that finds its kind gone makes room for the next") {
    ClaimScheduler scheduler({{"lane", {"embed"}, 1, 1}});
    const auto suspect = scheduler.pick("lane", open);
    REQUIRE(suspect->suspect);
    scheduler.follow({});
    scheduler.claimed(*suspect, 0, {});
    scheduler.follow({{"lane", {"embed"}, 1, 1}});
    const auto next = scheduler.pick("lane", open);
    REQUIRE(next);
    CHECK(next->suspect);
}
