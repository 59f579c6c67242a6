#pragma once
// Taking attempts back. Thread safety: pure function.

#include <span>
#include <string>

#include "pg/connection.hpp"

namespace memoir::queue {

// One attempt less for those of the jobs that are parked: it was counted for what turned out to be their
// backend's doing. Asynchronous; rows that are locked are passed over.
pg::Statement uncharge(const std::string& schema, std::span<const std::int64_t> jobs);

}  // namespace memoir::queue
