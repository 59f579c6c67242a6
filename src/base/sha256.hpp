#pragma once
// SHA-256 of a text, for identities (a request, a fence), not for secrets. Thread safety: pure function.

#include <string>
#include <string_view>

namespace memoir {

// 64 lower-case hexadecimal digits.
std::string sha256(std::string_view text);

}  // namespace memoir
