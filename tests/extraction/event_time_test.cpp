#include "extraction/event_time.hpp"

#include <catch2/catch.hpp>

using memoir::extraction::parse_event_time;

namespace {
std::string read(std::string_view text) {
    return parse_event_time(text).value_or("none");
}
}  // namespace

TEST_CASE("a date is midnight UTC") {
    CHECK(read("2026-05-21") == "2026-05-21T00:00:00Z");
    CHECK(read("\t2024-02-29 \n") == "2024-02-29T00:00:00Z");
    CHECK(read("9999-12-31") == "9999-12-31T00:00:00Z");
}

TEST_CASE("an instant is brought to UTC") {
    CHECK(read("2026-05-21T23:30:00-02:00") == "2026-05-22T01:30:00Z");
    CHECK(read("2026-03-01T00:15:00+05:45") == "2026-02-28T18:30:00Z");
    CHECK(read("2026-05-21t23:30:00z") == "2026-05-21T23:30:00Z");
    CHECK(read("2026-05-21 23:30:00Z") == "2026-05-21T23:30:00Z");
    CHECK(read("2026-12-31T23:59:60Z") == "2027-01-01T00:00:00Z");
}

TEST_CASE("fractions are cut to microseconds and left out when zero") {
    CHECK(read("2026-05-21T01:02:03.1234569Z") == "2026-05-21T01:02:03.123456Z");
    CHECK(read("2026-05-21T01:02:03.5Z") == "2026-05-21T01:02:03.500000Z");
    CHECK(read("2026-05-21T01:02:03.0000009Z") == "2026-05-21T01:02:03Z");
    CHECK(read("2026-05-21T01:02:03." + std::string(100'000, '9') + "Z") == "2026-05-21T01:02:03.999999Z");
}

TEST_CASE("what is no date, or none that Postgres takes, is none") {
    for (const auto* text : {"",
                             " ",
                             "yesterday",
                             "2026",
                             "2026-05",
                             "2026-5-1",
                             "2026-02-29",
                             "2026-13-01",
                             "2026-00-10",
                             "2026-05-21T10:00:00",
                             "2026-05-21T10:00Z",
                             "2026-05-21T24:00:00Z",
                             "2026-05-21T10:60:00Z",
                             "2026-05-21T10:00:61Z",
                             "2026-05-21T10:00:00.Z",
                             "2026-05-21T10:00:00+0200",
                             "2026-05-21T10:00:00+24:00",
                             "2026-05-21x",
                             "2026-05-21T10:00:00Zx",
                             "12026-05-21",
                             "-026-05-21",
                             "0000-01-01",
                             "21.05.2026",
                             "0001-01-01T00:00:00+00:01",
                             "9999-12-31T23:59:59-00:01",
                             "2026-05-21Z"}) {
        INFO(text);
        CHECK(read(text) == "none");
    }
}
