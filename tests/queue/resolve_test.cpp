#include <catch2/catch.hpp>

#include "queue/columns.hpp"
#include "queue/job.hpp"
#include "queue/settle.hpp"

using namespace memoir::queue;

TEST_CASE("after a commit of unknown outcome the row tells what became of it") {
    const std::string mine = "memoird/h:1:n/embed.0.1", other = "memoird/h:2:m/embed.0.4";
    const auto row = [](const std::string& state, const std::string& by, bool matches = false) {
        return std::optional(Seen{1, state, by, matches});
    };
    struct Case {
        Meant meant;
        std::optional<Seen> row;
        CommitFate verdict;
    };
    const Case cases[] = {
        {Meant::remove, row("claimed", mine), CommitFate::again},
        {Meant::remove, std::nullopt, CommitFate::over},
        {Meant::remove, row("claimed", other), CommitFate::lost},
        {Meant::remove, row("pending", ""), CommitFate::lost},
        {Meant::remove, row("claimed", "parked"), CommitFate::lost},
        {Meant::park, row("claimed", "parked"), CommitFate::done},
        {Meant::park, row("claimed", mine), CommitFate::again},
        {Meant::park, row("pending", ""), CommitFate::lost},
        {Meant::release, row("pending", ""), CommitFate::done},
        {Meant::release, row("claimed", other), CommitFate::lost},
        {Meant::fail, row("failed", ""), CommitFate::done},
        {Meant::fail, row("claimed", mine), CommitFate::again},
        {Meant::fail, std::nullopt, CommitFate::over},
        {Meant::checkpoint, row("claimed", mine, true), CommitFate::done},
        {Meant::checkpoint, row("claimed", mine, false), CommitFate::again},
        {Meant::checkpoint, row("claimed", other, true), CommitFate::lost},
    };
    for (const auto& each : cases) {
        CAPTURE(static_cast<int>(each.meant),
                each.row ? each.row->state + " " + each.row->claimed_by : "gone");
        CHECK(resolve(each.meant, mine, each.row) == each.verdict);
    }
}

TEST_CASE("a place in the order is written so that any DateStyle reads it") {
    CHECK(timestamp(0) == "1970-01-01 00:00:00.000000+00");
    CHECK(timestamp(1'764'000'000'123'456) == "2025-11-24 16:00:00.123456+00");
    CHECK(timestamp(-1) == "1969-12-31 23:59:59.999999+00");
    CHECK(timestamp(INT64_MIN) == "-infinity");
    CHECK(timestamp(INT64_MAX) == "infinity");
}
