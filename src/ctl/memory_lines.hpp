#pragma once
// Memories as `remember` reads them: one JSON object a line. Thread safety: pure functions.

#include <istream>
#include <string>
#include <vector>

#include "memory/remember.hpp"

namespace memoir::ctl {

// {"user", "content", "agent"?, "org"?, "metadata"?: object, "event_at"?: RFC 3339 or a date}; `defaults`
// gives what a line leaves out, and where it is empty, too, a memory has no agent, no organisation. As agent
// or org null is none. Blank lines are passed over. Throws Usage naming the line, never quoting it.
std::vector<memory::NewMemory> read_memory_lines(std::istream& in, const memory::NewMemory& defaults);

// Throws Usage. `where`: "line 3", "--metadata".
std::string checked_metadata(const std::string& text, const std::string& where);
std::string checked_event_at(const std::string& text, const std::string& where);

}  // namespace memoir::ctl
