#include <catch2/catch.hpp>
#include <random>

#include "http/client.hpp"

using namespace memoir;

namespace {

// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
const auto now = std::chrono::system_clock::from_time_t(784'111'777);

std::optional<Milliseconds> wait(std::vector<std::pair<std::string, std::string>> headers) {
    http::Response response;
    response.headers = std::move(headers);
    return http::retry_after(response, now);
}

}  // namespace

TEST_CASE("every form of Retry-After is understood") {
    const std::vector<std::pair<std::string, long>> table{
        {"0", 0},
        {"1", 1'000},
        {"  7 ", 7'000},
        {"120", 120'000},
        {"0.5", 500},
        {"1.0001", 1'001},
        {".25", 250},
        {"86400", 86'400'000},
        {"Sun, 06 Nov 1994 08:49:40 GMT", 3'000},
        {"Sunday, 06-Nov-94 08:50:37 GMT", 60'000},
        {"Sun Nov  6 08:49:38 1994", 1'000},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {"Sun, 06 Nov 1994 08:00:00 GMT", 0},  // has passed
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
    };
    for (const auto& [text, milliseconds] : table) {
        CAPTURE(text);
        CHECK(wait({{"retry-after", text}}) == Milliseconds(milliseconds));
    }
}

TEST_CASE("milliseconds are preferred, and senseless ones fall back to seconds") {
    CHECK(wait({{"retry-after-ms", "250"}, {"retry-after", "9"}}) == Milliseconds(250));
    CHECK(wait({{"retry-after-ms", "12.5"}}) == Milliseconds(13));
    CHECK(wait({{"retry-after-ms", "soon"}, {"retry-after", "9"}}) == Milliseconds(9'000));
    CHECK(wait({{"retry-after-ms", "-1"}, {"retry-after", "9"}}) == Milliseconds(9'000));
}

TEST_CASE("what names no sensible time is as if absent") {
    CHECK_FALSE(wait({}));
    for (const std::string text : {"",
                                   " ",
                                   "-1",
                                   "-0.5",
                                   "soon",
                                   "1s",
                                   "1 second",
                                   "1,5",
                                   "0x10",
                                   "nan",
                                   "inf",
                                   "-inf",
                                   "1e9",
                                   "+5",
                                   "5;",
                                   "99999999999999999999",
                                   "2678401000",
                                   "tomorrow",
                                   "Monday",
                                   "Sun, 99 Nov 1994 08:49:40 GMT",
                                   "Sun, 06 Nov 2094 08:49:40 GMT",
                                   "Fri, 31 Dec 9999 23:59:59 GMT",
                                   "1994-11-06T08:49:40Z",
                                   "\xff\xfe"}) {
        CAPTURE(text);
        CHECK_FALSE(wait({{"retry-after", text}}));
    }
}

TEST_CASE("any bytes give nothing or a wait of 0 to 31 days") {
    std::mt19937 random(20261124);
    const std::string alphabet = "0123456789.-+eE:, SunNovGMT\x00\xff";
    for (int i = 0; i < 20'000; ++i) {
        std::string text;
        for (auto length = random() % 30; length > 0; --length) text += alphabet[random() % alphabet.size()];
        const auto found = wait({{i % 2 ? "retry-after" : "retry-after-ms", text}});
        if (!found) continue;
        CAPTURE(text);
        CHECK(found->count() >= 0);
        CHECK(*found <= std::chrono::hours(31 * 24));
    }
}

TEST_CASE("a date is measured against the answer's own, whatever our clock says") {
    const std::string later = "Sun, 06 Nov 1994 09:49:40 GMT";
    // The server's clock is an hour ahead, then a day behind.
    CHECK(wait({{"retry-after", later}, {"date", "Sun, 06 Nov 1994 09:49:10 GMT"}}) == Milliseconds(30'000));
    CHECK(wait({{"retry-after", later}, {"date", "Sun, 06 Nov 1994 09:50:00 GMT"}}) == Milliseconds(0));
    for (const auto* nonsense : {"", "yesterday", "Sun, 99 Nov 1994 08:49:40 GMT"}) {
        CAPTURE(nonsense);
        CHECK(wait({{"retry-after", later}, {"date", nonsense}}) == wait({{"retry-after", later}}));
    }
    CHECK(wait({{"retry-after", "7"}, {"date", "Sun, 06 Nov 2094 08:49:40 GMT"}}) == Milliseconds(7'000));
}
