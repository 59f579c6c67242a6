#pragma once
// Most of the code that runs at start never runs again: relocation, the set-up of TLS and of character
// tables. Its pages would stay resident, and are the larger part of an idle memoird's memory.

namespace memoir::service {

// Releases the pages of the program and its libraries that have not been written to; those that are still
// needed are mapped again on their next use, from the page cache. Any thread, at any time; what the kernel
// refuses is skipped.
void release_start_up_code();

}  // namespace memoir::service
