#include "endpoint/charging.hpp"

#include <catch2/catch.hpp>

using memoir::endpoint::Blame;
using memoir::endpoint::judge;

TEST_CASE("an ambiguous failure is the job's only when the endpoint works for others") {
    struct Row {
        bool open, others_succeeded, can_probe;
        Blame verdict;
    };
    const Row table[] = {
        {false, false, true, Blame::probe}, {false, false, false, Blame::outage},
        {false, true, true, Blame::job},    {false, true, false, Blame::job},
        {true, false, true, Blame::outage}, {true, false, false, Blame::outage},
        {true, true, true, Blame::outage},  {true, true, false, Blame::outage},
    };
    for (const auto& row : table) {
        CAPTURE(row.open, row.others_succeeded, row.can_probe);
        CHECK(judge({row.open, row.others_succeeded, row.can_probe}) == row.verdict);
    }
}
