#pragma once
// After a lost claim, or an outcome that will never be known, of a job that had written to the index: what
// stands there may not be what the memory says, or belong to none any more. A forgotten memory must not come
// back as a vector. Thread safety: function.

#include <span>
#include <string>

#include "pg/pool.hpp"
#include "telemetry/log.hpp"
#include "vector/index.hpp"

namespace memoir::stages {

// Enqueues an embed job for each memory that is there, and removes the points of the others. Throws nothing.
void repair_points(vector::Index& index, pg::Pool& pool, const std::string& schema,
                   std::span<const std::string> pids, telemetry::Log& log);

}  // namespace memoir::stages
