#pragma once
// What a PostgreSQL error means for the job whose work or settle met it. Pure. Thread safety: functions.

#include "base/failure.hpp"
#include "pg/error.hpp"

namespace memoir::work {

// Errors after which the same transaction is simply tried again: the connection or the server is away, or
// somebody else's lock was in the way.
bool passes_by_itself(const pg::Error& error);

// For the others.
Failure to_failure(const pg::Error& error);

}  // namespace memoir::work
