#pragma once
// Reads small files whole. Thread safety: functions. Failures: a FileError, in words of ours.

#include <cstddef>
#include <string>

namespace memoir::config {

struct FileError {
    enum Kind { none, missing, unreadable } kind = none;
    std::string text;             // ours or the system's, for people; never content
    bool world_readable = false;  // with kind none
};

// Only regular files of at most `limit` bytes: a pipe would block the start.
FileError read_file(const std::string& path, std::size_t limit, std::string& content);

}  // namespace memoir::config
