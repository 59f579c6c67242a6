#pragma once
// The id of a memory's point: a pure function of its pid, so that writing twice is one point.
// Thread safety: functions.

#include <string>
#include <string_view>

namespace memoir::vector {

// A version 5 UUID (RFC 9562, section 5.5: SHA-1 of a namespace and a name) in its usual text form. Never
// change it: points under other ids are looked for and removed at each write, but only by their pid.
std::string point_id(std::string_view pid);

}  // namespace memoir::vector
