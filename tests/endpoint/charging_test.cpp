#include "endpoint/charging.hpp"

#include <catch2/catch.hpp>

using memoir::endpoint::judge;
using memoir::endpoint::Verdict;

TEST_CASE("an ambiguous failure is the job's only when the endpoint works for others") {
    struct Row {
        bool open, others_succeeded, can_probe;
        Verdict verdict;
    };
    const Row table[] = {
        {false, false, true, Verdict::probe}, {false, false, false, Verdict::outage},
        {false, true, true, Verdict::job},    {false, true, false, Verdict::job},
        {true, false, true, Verdict::outage}, {true, false, false, Verdict::outage},
        {true, true, true, Verdict::outage},  {true, true, false, Verdict::outage},
    };
    for (const auto& row : table) {
        CAPTURE(row.open, row.others_succeeded, row.can_probe);
        CHECK(judge({row.open, row.others_succeeded, row.can_probe}) == row.verdict);
    }
}
