#pragma once
// claimed_by as operators meet it: who holds a row. Thread safety: values.

#include <optional>
#include <string>
#include <string_view>

namespace memoir::queue {

// A parked row is due this long after its claimed_at (queue/job.hpp says why).
inline constexpr int parked_lease_seconds = 60;

// `memoird/host:pid:nonce/lane.loop.seq`.
struct Holder {
    std::string host;
    int pid = 0;
    std::string nonce;
    std::string lane;
    friend bool operator==(const Holder&, const Holder&) = default;
};

// Nothing for `parked` and for workers that are no memoird.
std::optional<Holder> parse_holder(std::string_view claimed_by);

}  // namespace memoir::queue
