#include "work/row_fate.hpp"

#include <catch2/catch.hpp>

using namespace memoir::work;

TEST_CASE("what was found under the locks tells what becomes of a member") {
    struct Case {
        const char* name;
        std::string read;
        Found found;
        RowFate fate;
    };
    const Case cases[] = {
        {"locked, as it was read", "7", {"7", true, true}, RowFate::ready},
        {"locked, and its version is not compared", "", {"7", true, true}, RowFate::ready},
        {"locked, but another version", "7", {"8", true, true}, RowFate::changed},
        {"another version counts before a lost row", "7", {"8", true, false}, RowFate::changed},
        {"locked, but the row is no longer ours", "7", {"7", true, false}, RowFate::lost},
        {"not locked, but there", "7", {std::nullopt, true, true}, RowFate::locked_out},
        {"not locked and not there", "7", {std::nullopt, false, true}, RowFate::deleted},
    };
    for (const auto& each : cases) {
        CAPTURE(each.name);
        CHECK(fate(each.read, each.found) == each.fate);
    }
}
