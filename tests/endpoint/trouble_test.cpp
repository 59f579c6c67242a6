#include "endpoint/trouble.hpp"

#include <catch2/catch.hpp>

using namespace memoir;
using namespace memoir::endpoint;
using namespace std::chrono_literals;

TEST_CASE("an endpoint that holds work back says why in a line, and one that does not says nothing") {
    Snapshot shown{"extraction", State::closed, FailureType::blocked, "HTTP 401",
                   "check extraction.api_key_file"};
    CHECK(trouble(shown).empty());
    shown.max_concurrent = 8;
    shown.in_flight = 7;
    CHECK(trouble(shown).empty());
    shown.in_flight = 8;
    CHECK(trouble(shown) == "extraction has all of its 8 calls in flight");
    shown.held_for = 11'001ms;
    CHECK(trouble(shown) == "extraction waits 12 s for its rate limit");
    shown.state = State::open;
    shown.next_probe = 15min;
    CHECK(trouble(shown) == "extraction open: blocked: HTTP 401, next probe in 900 s");
    shown.state = State::ramping;
    CHECK(trouble(shown) == "extraction ramping: blocked: HTTP 401");
}
