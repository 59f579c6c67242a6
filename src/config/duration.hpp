#pragma once
// Durations as operators write them: "500ms", "30s", "10m", "2h", "7d", and sums of them, largest unit first:
// "1m30s". Thread safety: pure functions. Failures: nothing for what is not a duration.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace memoir::config {

// nullopt for everything else: a bare number, an unknown or repeated unit, a sign, a fraction, overflow.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

// A text that parses to the same duration, of few units: "90s", "10m", "1h1s".
std::string format_duration(std::chrono::milliseconds duration);

}  // namespace memoir::config
