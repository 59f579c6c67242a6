#pragma once
// A point's payload as readers expect it (docs/contract.md, "Vector index"): our keys, then every
// top-level key of the metadata that does not collide with one. Pure functions. Thread safety: all.

#include <string>
#include <string_view>

#include "vector/index.hpp"

namespace memoir::vector {

// The payload as a JSON object in text. Metadata that is no JSON object gives no keys. Never throws for what
// stands in the metadata.
std::string payload(const Point& point);

// A JSON text with each number outside strings rewritten to what the library's reader makes of it: an integer
// of 64 signed bits as plain digits ("1e3" → "1000"), everything else as the double that it is nearest to
// (with a point or an exponent, so that it stays one), what no double holds as null. Text that is
// no JSON passes through as it is.
std::string normalize_numbers(std::string_view json);

// Values nested deeper than this are left out with their top-level key: Qdrant's own parser gives up at 128
// levels, five of which are the request's, and would refuse the whole request.
inline constexpr int max_depth = 100;

}  // namespace memoir::vector
