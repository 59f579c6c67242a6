#pragma once
// Members of a batch, by their places in it, as the statements of queue:: want them. Pure. Thread safety:
// functions.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "pg/result.hpp"
#include "queue/settle.hpp"
#include "work/claim.hpp"

namespace memoir::work {

using Index = std::size_t;
// Places in the span that the stage was given.
using Members = std::span<const Index>;

// All of a batch of `size`.
std::vector<Index> everyone(std::size_t size);

std::vector<std::int64_t> ids(std::span<Claim> batch, Members members);
std::vector<queue::Fence> fences(std::span<Claim> batch, Members members);
// The pids of their memories, sorted, each once.
std::vector<std::string> sources(std::span<Claim> batch, Members members);

// Moves the members whose row is in the first column of `result` from `members` to the returned list.
std::vector<Index> take_returned(std::span<Claim> batch, std::vector<Index>& members,
                                 const pg::Result& result);

// Those of `before` that are not in `after`.
std::vector<Index> without(std::vector<Index> before, Members after);

// In their order, in as many parts of about the same size, none empty.
std::vector<Members> divided(Members members, std::size_t parts);

}  // namespace memoir::work
