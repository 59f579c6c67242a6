#pragma once
// The style and the script of the status page, and the headers that allow these two and nothing else. Thread
// safety: constants and pure functions.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memoir::page {

extern const std::string_view style;
extern const std::string_view script;

// Content-Security-Policy with the hashes of both, and further headers that keep other sites away from the
// page.
std::vector<std::pair<std::string, std::string>> headers();

// As CSP wants a hash: base64 of the SHA-256.
std::string csp_hash(std::string_view text);

}  // namespace memoir::page
