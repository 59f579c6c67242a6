#pragma once
// Random identifiers. Thread safety: all functions; each thread has its own generator, seeded by the kernel.

#include <string>

namespace memoir {

// A memory's public id: 21 characters drawn uniformly from A-Za-z0-9_- (docs/contract.md, "Table memories").
std::string random_pid();

// A process's nonce in claimed_by: 12 characters of a-z0-9, drawn at start; 62 bits.
std::string random_nonce();

// Uniform in [0, 1), for jitter.
double random_unit();

}  // namespace memoir
