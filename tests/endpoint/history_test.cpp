#include "endpoint/history.hpp"

#include <catch2/catch.hpp>

using namespace memoir;

TEST_CASE("the history says what calls usually take, of the last 64") {
    endpoint::History history;
    CHECK_FALSE(history.typical());
    history.add(Milliseconds(7));
    CHECK(history.typical()->median == Milliseconds(7));
    CHECK(history.typical()->p95 == Milliseconds(7));
    for (int i = 1; i <= 100; ++i) history.add(Milliseconds(i));
    // 37 to 100 are left: the 32nd and the 61st of them.
    CHECK(history.typical()->median == Milliseconds(68));
    CHECK(history.typical()->p95 == Milliseconds(97));
}
