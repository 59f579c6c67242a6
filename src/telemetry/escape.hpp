#pragma once
// Makes text from outside safe for a line of the log. Whether the bytes are valid UTF-8 or not, the result is
// valid UTF-8 without line breaks, and without anything that moves a terminal's cursor or reverses the text.
// Thread safety: functions.

#include <string>
#include <string_view>

namespace memoir::telemetry {

// Appends `text` as a JSON string with its quotes. What is not UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

// Appends `text` for people: controls and invisible direction marks as \n, \t, \u{202e}, stray bytes as \xff.
void append_plain(std::string& out, std::string_view text);

// The same as the value of key=value: in quotes when it is empty or holds a space, a quote, `=` or an escape.
void append_plain_value(std::string& out, std::string_view text);

}  // namespace memoir::telemetry
