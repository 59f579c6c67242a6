#include "base/cause.hpp"

#include <catch2/catch.hpp>

using memoir::cause_of;

TEST_CASE("a cause is a reason without its numbers, but for the code that names it") {
    CHECK(cause_of("HTTP 400") == "HTTP 400");
    CHECK(cause_of("HTTP 400 (context_length_exceeded)") == "HTTP 400 (context_length_exceeded)");
    CHECK(cause_of("HTTP 400, 7 times in a row") == "HTTP 400");
    CHECK(cause_of("exceeded its deadline of 60 s") == "exceeded its deadline of N s");
    CHECK(cause_of("the server gives vectors of dimension 768, the configuration says 384") ==
          "the server gives vectors of dimension N, the configuration says N");
    CHECK(cause_of("postgres: 22021 (character_not_in_repertoire)") ==
          "postgres: 22021 (character_not_in_repertoire)");
    CHECK(cause_of("holder died: memoird/host-7/ab12") == "holder died");
    CHECK(cause_of("holder died: alpha") == "holder died");
    CHECK(cause_of("").empty());
}
