#pragma once
// What Qdrant says when it refuses, beyond its status: one table. Its texts echo requests, so nothing of them
// is kept but a row and a number. Thread safety: pure functions and constants.

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "base/failure.hpp"

namespace memoir::vector::qdrant {

struct ErrorRow {
    std::string_view text;  // a part of the error, in the server's spelling
    FailureType type;
    std::string_view reason;  // ours
    std::string_view hint;
};

std::span<const ErrorRow> error_rows();
// nullptr: no text that is known; then the status decides.
const ErrorRow* find_error(std::string_view text);

// Strict mode's "Limit exceeded 32 > 10 for …": 10.
std::optional<std::size_t> strict_limit(std::string_view text);

}  // namespace memoir::vector::qdrant
