#include "vector/qdrant_errors.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace memoir::vector::qdrant {
namespace {

using enum FailureType;

// Texts of 1.10 to 1.20.
constexpr std::array rows{
    ErrorRow{"Max points count limit of ", blocked, "the collection's quota of points is used up",
             "raise max_points_count in the strict_mode_config of vector.collection, or make room"},
    ErrorRow{"Max vector storage size limit of ", blocked,
             "the collection's quota of vector storage is used up",
             "raise max_collection_vector_size_bytes in the strict_mode_config of vector.collection, or make "
             "room"},
    ErrorRow{"Max payload storage size limit of ", blocked,
             "the collection's quota of payload storage is used up",
             "raise max_collection_payload_size_bytes in the strict_mode_config of vector.collection, or "
             "make room"},
    ErrorRow{"Filter condition limit reached", blocked, "strict mode allows fewer conditions in a filter",
             "raise filter_max_conditions in the strict_mode_config of vector.collection to at least 8"},
    ErrorRow{"Rate limiting exceeded", throttled, "the collection's rate limit", ""},
    ErrorRow{"Rate limit exceeded", throttled, "the collection's rate limit", ""},
    ErrorRow{"No space left on device", outage, "the server's disk is full",
             "make room on the server's disk"},
    ErrorRow{"WAL buffer size exceeds available disk space", outage, "the server's disk is full",
             "make room on the server's disk"},
    ErrorRow{"Not enough space available", outage, "the server's disk is full",
             "make room on the server's disk"},
    ErrorRow{"Out of memory", outage, "the server is out of memory", "give the server more memory"},
    ErrorRow{"in recovery mode", outage, "the server is in recovery mode",
             "the server's own log says why it started in recovery mode"},
    ErrorRow{"is not active", outage, "a shard of the collection is not active", ""},
    ErrorRow{"does not have enough active replicas", outage, "too few replicas are active", ""},
};

}  // namespace

std::span<const ErrorRow> error_rows() {
    return rows;
}

const ErrorRow* find_error(std::string_view text) {
    // Behind "Wrong input: " and the like, and before what is echoed.
    constexpr std::size_t looked_at = 200;
    text = text.substr(0, looked_at);
    const auto found = std::ranges::find_if(
        rows, [&](const ErrorRow& row) { return text.find(row.text) != std::string_view::npos; });
    return found == rows.end() ? nullptr : &*found;
}

std::optional<std::size_t> strict_limit(std::string_view text) {
    constexpr std::string_view words = "Limit exceeded ";
    const auto begin = text.find(words);
    if (begin == std::string_view::npos) return std::nullopt;
    const auto sign = text.find(" > ", begin);
    if (sign == std::string_view::npos) return std::nullopt;
    std::size_t limit = 0;
    const auto [end, failed] = std::from_chars(text.data() + sign + 3, text.data() + text.size(), limit);
    return failed == std::errc() && limit > 0 ? std::optional(limit) : std::nullopt;
}

}  // namespace memoir::vector::qdrant
