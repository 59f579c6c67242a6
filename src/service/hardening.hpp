#pragma once
// What a process that holds what people said does before it does anything else.

namespace memoir::service {

// No core dumps, no reading of our memory by other processes of the same user (PR_SET_DUMPABLE), and no
// access for others to the files we make (umask 077). What the kernel refuses is left: the unit says the
// same.
void harden();

}  // namespace memoir::service
