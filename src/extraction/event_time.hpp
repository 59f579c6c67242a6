#pragma once
// The dates that models write. Thread safety: pure functions.

#include <optional>
#include <string>
#include <string_view>

namespace memoir::extraction {

// RFC 3339 with its offset, or YYYY-MM-DD (midnight UTC), blanks around it allowed, as
// "2026-05-21T23:30:00.123456Z": always UTC, fractions cut to microseconds and left out when zero. Postgres
// takes the result as it is. nullopt: anything else, years outside 1 to 9999 included.
std::optional<std::string> parse_event_time(std::string_view text);

}  // namespace memoir::extraction
