#include "work/persist.hpp"

#include <algorithm>

#include "base/pause.hpp"
#include "base/random_id.hpp"
#include "work/pg_failure.hpp"

namespace memoir::work {

namespace {
// Between two tries of a settle that met a lock or an absent database.
constexpr Milliseconds first_pause{5}, longest_pause{500};
// A settle that has been tried for this long is worth a line in the log; one line for all loops together in
// each minute.
constexpr Milliseconds tell_after{10'000}, tell_every{60'000};
}  // namespace

bool Persist::worth_repeating(const pg::Error& error) {
    return passes_by_itself(error) || dynamic_cast<const pg::UnknownOutcome*>(&error);
}

void Persist::rest(Wait& wait) {
    wait.next = wait.next.count() == 0 ? first_pause : std::min(wait.next * 2, longest_pause);
    pause(Milliseconds(
              static_cast<Milliseconds::rep>(static_cast<double>(wait.next.count()) * (0.5 + random_unit()))),
          context_.abandon);
}

void Persist::tell(const pg::Error& error, TimePoint since) {
    const auto now = Steady::now();
    const auto waited = std::chrono::duration_cast<Milliseconds>(now - since);
    std::vector<telemetry::Field> fields{{"error", std::string(error.what())},
                                         {"waited_ms", static_cast<std::int64_t>(waited.count())}};
    auto told = told_.load();
    const bool due = waited >= tell_after && (told == TimePoint::min() || now - told >= tell_every);
    if (due && told_.compare_exchange_strong(told, now))
        context_.log.warning("memoir.worker.complete_failed",
                             "completed jobs cannot be committed: database unavailable, retrying",
                             std::move(fields));
    else
        context_.log.debug("memoir.worker.complete_failed", "retrying to commit a job's outcome",
                           std::move(fields));
}

}  // namespace memoir::work
