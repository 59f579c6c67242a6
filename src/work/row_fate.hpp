#pragma once
// What became of a member's memory and row by the time its effects are about to be applied. Pure. Thread
// safety: functions.

#include <optional>
#include <string>

namespace memoir::work {

enum class RowFate {
    ready,       // locked, and as the stage read it
    changed,     // locked, but another version than the stage read: the stage runs again
    lost,        // the memory is there, the row is no longer ours
    locked_out,  // another transaction holds the memory
    deleted,     // the memory is gone, and its jobs with it
};

// What the settling transaction has found out so far.
struct Found {
    std::optional<std::string> locked;  // the version of the memory that we hold locked; nullopt: not locked
    bool exists = true;                 // by a plain read; asked only where it is not locked
    bool removed = true;                // the fenced delete returned the row; asked only where it is ready
};

// `read`: the version that the stage read; empty: not compared.
constexpr RowFate fate(const std::string& read, const Found& found) {
    if (!found.locked) return found.exists ? RowFate::locked_out : RowFate::deleted;
    if (!read.empty() && read != *found.locked) return RowFate::changed;
    return found.removed ? RowFate::ready : RowFate::lost;
}

}  // namespace memoir::work
