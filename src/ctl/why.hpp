#pragma once
// Why a job is where it is: a pure function over what was read. Thread safety: values.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "queue/hosts.hpp"
#include "queue/inspect.hpp"
#include "queue/pauses.hpp"

namespace memoir::ctl {

struct WhyFacts {
    queue::JobRow job;
    std::int64_t ahead = 0;  // pending rows of its kind before it, at most queue's cap
    std::vector<queue::JobRow> siblings;
    std::vector<queue::Pause> pauses;
    std::optional<std::vector<queue::Host>> hosts;  // none: the table is not there
    std::chrono::milliseconds lease{60'000}, foreign_lease{600'000};
};

// `code` is stable, for scripts; `text` is for people and comes from our own words, codes and the stored
// reason.
struct Reason {
    std::string code, text;
};
// What holds it back most comes first.
std::vector<Reason> explain(const WhyFacts& facts);

// A process whose row was renewed within the lease.
bool alive(const queue::Host& host, std::chrono::milliseconds lease);

// Endpoints of a host's row that take no calls, a reason each: "breaker", "qdrant is open: refused, next
// probe in 5 s", or "rate_limit".
std::vector<Reason> troubled_endpoints(const queue::Host& host);

}  // namespace memoir::ctl
