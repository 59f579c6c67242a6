#pragma once
// Text from a model made fit for Postgres: valid UTF-8 without U+0000. Thread safety: pure functions.

#include <cstddef>
#include <string>
#include <string_view>

namespace memoir::extraction {

// Appends one code point; a surrogate (which UTF-8 cannot hold) becomes U+FFFD, U+0000 nothing.
void append_scalar(std::string& out, char32_t scalar);

// Removes U+0000 and puts U+FFFD for each byte that is no part of valid UTF-8.
std::string clean(std::string_view text);

// Number of Unicode scalar values; `text` is valid UTF-8.
std::size_t count_scalars(std::string_view text);

// Nothing but Unicode White_Space, or nothing at all; `text` is valid UTF-8.
bool is_blank(std::string_view text);

}  // namespace memoir::extraction
