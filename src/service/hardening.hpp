#pragma once
// Hardening: what a process that holds what people said does before anything else.

namespace memoir::service {

// Disables core dumps, keeps other processes of the same user from reading this one's memory
// (PR_SET_DUMPABLE), and makes new files inaccessible to others (umask 077). What the kernel refuses is
// skipped: the unit sets the same limits.
void harden();

}  // namespace memoir::service
