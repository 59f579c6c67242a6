#pragma once
// Asks servers to cancel statements whose caller has gone. PQcancel blocks, on a half-open connection for
// minutes, so one thread of its own does it and nobody waits for it; when 64 wait already, further ones are
// forgotten: a cancel is a courtesy that frees locks sooner. Thread safety: all of it.

#include <libpq-fe.h>

#include <memory>

namespace memoir::pg {

using CancelHandle = std::unique_ptr<PGcancel, decltype(&PQfreeCancel)>;

void cancel_later(CancelHandle handle);

}  // namespace memoir::pg
