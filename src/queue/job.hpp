#pragma once
// A row of memory_jobs as a worker holds it. Thread safety: values.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace memoir::queue {

// The six kinds of docs/contract.md, "Job payloads". A kind that is not here is never claimed.
inline constexpr std::array<std::string_view, 6> all_kinds = {
    "embed", "extract", "categorize", "reprocess", "relational_extract", "synthesize"};

// A place in the order of a kind's pending rows. Microseconds since the epoch; rows at ±infinity have the
// ends of the range.
struct Position {
    std::int64_t created_us = INT64_MIN;
    std::int64_t id = 0;
    friend auto operator<=>(const Position&, const Position&) = default;  // NOLINT(modernize-use-nullptr)
};

struct Job {
    std::int64_t id = 0;
    std::string source_pid;
    std::string kind;
    std::string payload;   // jsonb as text: may hold feedback of a person, never logged
    int attempts = 0;      // counted so far, this run not included
    bool suspect = false;  // its last holder died while it held it
    Position position;
    std::int64_t waited_ms = 0;  // from created_at to the claim, by the server's clock
    std::string claimed_by;      // the fence: every settling statement matches it
};

// failure_reason of a job whose holder died begins with this; retry and fail overwrite it, release keeps it.
inline constexpr std::string_view suspect_prefix = "holder died: ";
// And that of a job parked for its backend's sake, without an attempt: "waits for qdrant: …". A host whose
// own backends take work brings it back before its time.
inline constexpr std::string_view waiting_prefix = "waits for ";
// claimed_by of a waiting job. The schema has no due time, and workers of the library would take a pending
// row at once; their lease (60 s) brings a row with claimed_at = due − 60 s back on time.
inline constexpr std::string_view parked_holder = "parked";

}  // namespace memoir::queue
