#include "work/agenda.hpp"

#include <catch2/catch.hpp>

using namespace memoir;
using namespace memoir::work;

namespace {

const auto open = [](const std::string&) { return true; };

// One lane of one kind, the first looks (for work, for suspects) done and empty.
Agenda settled_agenda(int loops = 4, int batch = 10) {
    Agenda agenda({{"lane", {"embed"}, loops, batch}});
    while (auto pick = agenda.pick("lane", open)) agenda.claimed(*pick, 0, {});
    return agenda;
}

queue::Look look(const std::string& kind, std::optional<queue::Position> first, bool suspect = false) {
    return {{{kind, first, suspect}}, {}};
}

}  // namespace

TEST_CASE("at start every kind is claimed from the start once") {
    Agenda agenda({{"lane", {"embed"}, 4, 10}});
    auto suspect = agenda.pick("lane", open);
    REQUIRE(suspect);
    CHECK(suspect->suspect);
    agenda.claimed(*suspect, 0, {});
    const auto pick = agenda.pick("lane", open);
    REQUIRE(pick);
    CHECK(pick->from_start);
    CHECK(pick->limit == 10);
    CHECK_FALSE(agenda.pick("lane", open));
}

TEST_CASE("an idle lane has nothing to pick") {
    auto agenda = settled_agenda();
    CHECK_FALSE(agenda.pick("lane", open));
    CHECK_FALSE(agenda.wants("lane", open));
}

TEST_CASE("a wake sends one loop, however often it comes") {
    auto agenda = settled_agenda();
    agenda.wake("embed");
    agenda.wake("embed");
    CHECK(agenda.pick("lane", open));
    CHECK_FALSE(agenda.pick("lane", open));
}

TEST_CASE("a full batch brings the next loop along, up to the number of loops") {
    auto agenda = settled_agenda(3);
    agenda.wake("embed");
    auto first = agenda.pick("lane", open);
    agenda.claimed(*first, 10, {100, 10});
    auto second = agenda.pick("lane", open), third = agenda.pick("lane", open);
    REQUIRE(second);
    REQUIRE(third);
    CHECK_FALSE(agenda.pick("lane", open));
    agenda.claimed(*second, 10, {200, 20});
    agenda.claimed(*third, 10, {300, 30});
    int more = 0;
    while (agenda.pick("lane", open)) ++more;
    CHECK(more == 3);
}

TEST_CASE("a batch that is not full is followed by one more try of the same loop") {
    auto agenda = settled_agenda();
    agenda.wake("embed");
    agenda.claimed(*agenda.pick("lane", open), 3, {100, 3});
    const auto again = agenda.pick("lane", open);
    REQUIRE(again);
    CHECK_FALSE(again->woken);
    agenda.claimed(*again, 0, {});
    CHECK_FALSE(agenda.pick("lane", open));
}

TEST_CASE("claims go on from the cursor") {
    auto agenda = settled_agenda();
    agenda.wake("embed");
    agenda.claimed(*agenda.pick("lane", open), 3, {100, 7});
    const auto pick = agenda.pick("lane", open);
    CHECK_FALSE(pick->from_start);
    CHECK(pick->after == queue::Position{100, 7});
}

TEST_CASE("a woken loop whose claim from the cursor found nothing looks from the start") {
    auto agenda = settled_agenda();
    agenda.wake("embed");
    agenda.claimed(*agenda.pick("lane", open), 0, {});
    const auto again = agenda.pick("lane", open);
    REQUIRE(again);
    CHECK(again->from_start);
    agenda.claimed(*again, 0, {});
    CHECK_FALSE(agenda.pick("lane", open));
}

TEST_CASE("where a look from the start is dear nothing past the cursor counts as idle") {
    auto agenda = settled_agenda();
    agenda.set_slow("embed", true);
    agenda.wake("embed");
    agenda.claimed(*agenda.pick("lane", open), 0, {});
    CHECK_FALSE(agenda.pick("lane", open));
}

TEST_CASE("a row found before the cursor moves it to just before that row") {
    auto agenda = settled_agenda();
    agenda.wake("embed");
    agenda.claimed(*agenda.pick("lane", open), 3, {500, 50});
    agenda.claimed(*agenda.pick("lane", open), 0, {});
    agenda.looked(look("embed", queue::Position{200, 20}));
    const auto pick = agenda.pick("lane", open);
    REQUIRE(pick);
    CHECK(pick->after == queue::Position{200, 19});
    CHECK(pick->after < queue::Position{200, 20});
}

TEST_CASE("a claim that was under way when the cursor was set back does not move it on") {
    auto agenda = settled_agenda();
    agenda.wake("embed");
    agenda.claimed(*agenda.pick("lane", open), 10, {500, 50});
    const auto under_way = agenda.pick("lane", open);
    agenda.found("embed", {200, 20});
    agenda.claimed(*under_way, 10, {900, 90});
    const auto pick = agenda.pick("lane", open);
    REQUIRE(pick);
    CHECK(pick->after == queue::Position{200, 19});
}

TEST_CASE("the kinds of a lane take turns") {
    Agenda agenda({{"lane", {"extract", "reprocess"}, 4, 1}});
    std::map<std::string, int> picks;
    for (int round = 0; round < 40; ++round) {
        const auto pick = agenda.pick("lane", open);
        REQUIRE(pick);
        if (!pick->suspect) ++picks[pick->kind];
        agenda.claimed(*pick, pick->suspect ? 0 : 1, {round, round});
    }
    CHECK(picks["extract"] >= 18);
    CHECK(picks["reprocess"] >= 18);
}

TEST_CASE("a kind whose backend is away is not claimed, the others of its lane are") {
    Agenda agenda({{"lane", {"extract", "reprocess"}, 4, 1}});
    const auto gate = [](const std::string& kind) { return kind != "extract"; };
    while (const auto pick = agenda.pick("lane", gate)) {
        CHECK(pick->kind == "reprocess");
        agenda.claimed(*pick, 0, {});
    }
    CHECK(agenda.wants("lane", open));
}

TEST_CASE("a paused kind is not claimed until it is resumed, and a star pauses all") {
    auto agenda = settled_agenda();
    for (const std::string pause : {"embed", "*"}) {
        agenda.wake("embed");
        agenda.looked({{}, {pause}});
        CHECK_FALSE(agenda.pick("lane", open));
        agenda.looked({{}, {}});
        const auto pick = agenda.pick("lane", open);
        REQUIRE(pick);
        agenda.claimed(*pick, 0, {});
        while (const auto rest = agenda.pick("lane", open)) agenda.claimed(*rest, 0, {});
    }
}

TEST_CASE("one suspect at a time is taken, alone") {
    auto agenda = settled_agenda();
    agenda.looked(look("embed", std::nullopt, true));
    const auto first = agenda.pick("lane", open);
    REQUIRE(first);
    CHECK(first->suspect);
    CHECK(first->limit == 1);
    agenda.claimed(*first, 1, {100, 1});
    agenda.looked(look("embed", std::nullopt, true));
    CHECK_FALSE(agenda.pick("lane", open));
    agenda.suspect_settled();
    const auto second = agenda.pick("lane", open);
    REQUIRE(second);
    CHECK(second->suspect);
}

TEST_CASE("an unanswered claim is made again") {
    auto agenda = settled_agenda();
    agenda.wake("embed");
    const auto pick = agenda.pick("lane", open);
    agenda.unanswered(*pick);
    CHECK(agenda.pick("lane", open));
}

TEST_CASE("a kind that is not served here cannot be woken") {
    auto agenda = settled_agenda();
    agenda.wake("synthesize");
    agenda.found("nonsense", {1, 1});
    CHECK_FALSE(agenda.pick("lane", open));
}

TEST_CASE("other lanes keep what is known of a kind that stays, and look at it once") {
    auto agenda = settled_agenda(2);
    agenda.wake("embed");
    const auto pick = agenda.pick("lane", open);
    agenda.claimed(*pick, 3, {100, 10});
    while (const auto more = agenda.pick("lane", open)) agenda.claimed(*more, 0, {});
    agenda.follow({{"other", {"embed", "extract"}, 1, 5}});
    CHECK_FALSE(agenda.pick("lane", open));
    CHECK_FALSE(agenda.wants("lane", open));
    const auto again = agenda.pick("other", open);
    REQUIRE(again);
    CHECK(again->kind == "embed");
    CHECK(again->limit == 5);
    CHECK(again->after == queue::Position{100, 10});
    CHECK(agenda.lane_of("embed") == "other");
}

TEST_CASE("a claim of a kind that left and came back meanwhile says nothing about where to look") {
    auto agenda = settled_agenda();
    agenda.wake("embed");
    const auto pick = agenda.pick("lane", open);
    agenda.follow({});
    agenda.claimed(*pick, 0, {});
    agenda.unanswered(*pick);
    CHECK_FALSE(agenda.serves("embed"));
    agenda.follow({{"lane", {"embed"}, 4, 10}});
    agenda.claimed(*pick, 10, {100, 10});
    auto next = agenda.pick("lane", open);
    REQUIRE(next);
    if (next->suspect) next = agenda.pick("lane", open);
    REQUIRE(next);
    CHECK(next->from_start);
}

TEST_CASE("a suspect's claim that finds its kind gone makes room for the next") {
    Agenda agenda({{"lane", {"embed"}, 1, 1}});
    const auto suspect = agenda.pick("lane", open);
    REQUIRE(suspect->suspect);
    agenda.follow({});
    agenda.claimed(*suspect, 0, {});
    agenda.follow({{"lane", {"embed"}, 1, 1}});
    const auto next = agenda.pick("lane", open);
    REQUIRE(next);
    CHECK(next->suspect);
}
