#pragma once
// Most of the code that a start touches is never run again: relocation, the set-up of TLS and of character
// tables. Its pages stay in the process for good, and are the larger part of an idle memoird's memory.

namespace memoir::service {

// Lets go of the pages of the program and its libraries that nobody has written to; what is still needed is
// mapped again on its next use, without a disk. Any thread, at any time; what the kernel refuses is left.
void release_start_up_code();

}  // namespace memoir::service
