#include "base/json_text.hpp"

#include <catch2/catch.hpp>

using namespace memoir;

TEST_CASE("a text that nests too deep or holds too many values does not fit") {
    CHECK(json_fits("", 1, 1));
    CHECK(json_fits(R"({"a":[1,2]})", 2, 3));
    CHECK_FALSE(json_fits(R"({"a":[1,2]})", 1, 3));
    CHECK_FALSE(json_fits(R"({"a":[1,2]})", 2, 2));
    CHECK(json_fits("[[],[],[]]", 2, 6));
    CHECK(json_fits(R"(["[[[[,,,,\"[[["])", 1, 1));  // within a string nothing counts
    CHECK(json_fits("[\"\\", 1, 1));
    CHECK_FALSE(json_fits(std::string(4'000'000, '['), 64, 10'000'000));
}

TEST_CASE("half a surrogate pair and bytes that are no UTF-8 become U+FFFD, all else stays as it is") {
    const std::string lost = "\xEF\xBF\xBD";
    CHECK(repaired_json(R"("a\n\\ \u00e9 😀 é")") == R"("a\n\\ \u00e9 😀 é")");
    CHECK(repaired_json(R"("\ud83d\ude00")") == R"("\ud83d\ude00")");
    CHECK(repaired_json(R"("\ud83d")") == "\"" + lost + "\"");
    CHECK(repaired_json(R"("\ude00x\uD83D\uD83D\uDE00")") == "\"" + lost + "x" + lost + R"(\uD83D\uDE00")");
    CHECK(repaired_json("\"\xF0\x9F\x98\"") == "\"" + lost + "\"");
    CHECK(repaired_json(R"(\\ud83d)") == R"(\\ud83d)");
    CHECK(repaired_json("\\") == "\\");
    CHECK(repaired_json(R"("\u12")") == R"("\u12")");
}
