#include "config/duration.hpp"

#include <catch2/catch.hpp>

using memoir::config::format_duration;
using memoir::config::parse_duration;
using std::chrono::milliseconds;

TEST_CASE("parses durations with units") {
    const std::pair<const char*, std::int64_t> cases[]{
        {"500ms", 500},      {"30s", 30'000},   {"10m", 600'000},    {"2h", 7'200'000},
        {"7d", 604'800'000}, {"1m30s", 90'000}, {"1h1s", 3'601'000}, {"1d2h3m4s5ms", 93'784'005},
        {"0s", 0},           {"0ms", 0},        {"90m", 5'400'000},  {"007s", 7'000},
    };
    for (const auto& [text, expected] : cases) {
        INFO(text);
        CHECK(parse_duration(text) == milliseconds(expected));
    }
}

TEST_CASE("refuses what is no duration") {
    for (const char* text : {"",
                             "30",
                             "s",
                             "30 s",
                             " 30s",
                             "30s ",
                             "30sec",
                             "-30s",
                             "+30s",
                             "1.5s",
                             "30S",
                             "1s1m",
                             "1s1s",
                             "1ms1s",
                             "10000000000000000000s",
                             "9223372036854775807ms",
                             "9223372036854775807d",
                             "1000001d",
                             "1µs",
                             "0x10s",
                             "1e3s",
                             "30s\n"}) {
        INFO(text);
        CHECK(parse_duration(text) == std::nullopt);
    }
}

TEST_CASE("formats durations as people write them") {
    const std::pair<std::int64_t, const char*> cases[]{
        {0, "0s"},           {500, "500ms"},    {1'500, "1500ms"},    {60'000, "60s"},
        {120'000, "120s"},   {600'000, "10m"},  {90'000, "90s"},      {3'600'000, "1h"},
        {604'800'000, "7d"}, {150'000, "150s"}, {3'601'000, "3601s"}, {93'784'005, "1d2h3m4s5ms"},
    };
    for (const auto& [count, expected] : cases) CHECK(format_duration(milliseconds(count)) == expected);
}

TEST_CASE("a formatted duration parses to itself") {
    for (std::int64_t count = 0; count < 4'000'000'000; count = count * 3 / 2 + 7) {
        CHECK(parse_duration(format_duration(milliseconds(count))) == milliseconds(count));
    }
}
