#pragma once
// What the status page shows, as values: made by app from a running memoird, turned into HTML by render().
// Holds no memory content, and nothing that could: ids, kinds, states, counts, reasons. Thread safety:
// values.

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "endpoint/endpoint.hpp"
#include "queue/depth.hpp"
#include "telemetry/sink.hpp"

namespace memoir::page {

struct Lane {
    std::string name;
    std::vector<std::string> kinds;
    int loops = 0, batch = 0;
    int busy = 0;  // loops that hold jobs
    int jobs = 0;  // in hand
};

// One job in hand.
struct Work {
    std::int64_t job_id = 0;
    std::string kind, source_pid;
    std::string worker;     // "lane.loop"
    Milliseconds since{0};  // its claim
};

// One of the kinds of docs/contract.md: the rows of the whole fleet, and what this process does about them.
struct Kind {
    std::string name;
    std::optional<queue::Depth> depth{};   // none: not counted yet
    std::string lane{};                    // empty: not served here
    std::string left{};                    // why not, where this is known
    std::vector<std::string> waits_for{};  // endpoints that accept no work now
};

// Of this process, since its start.
struct Totals {
    std::uint64_t claimed = 0, done = 0, retried = 0, failed = 0, parked = 0, released = 0, lost = 0,
                  recovered = 0;
};

struct Snapshot {
    using Time = std::chrono::system_clock::time_point;
    enum class Phase { starting, ready, draining };

    std::string version, host, schema;
    int pid = 0;
    Time started{}, made{};
    Phase phase = Phase::starting;
    bool database_up = false;
    int pool_in_use = 0, pool_size = 0;
    Totals totals{};
    std::vector<Lane> lanes{};
    std::vector<Work> work{};                      // longest first
    std::vector<Kind> kinds{};                     // in the order of queue::all_kinds
    std::optional<Milliseconds> counted_before{};  // how old the depths are
    std::set<std::string> paused{};                // kinds; `*` is all
    std::vector<endpoint::Snapshot> endpoints{};
    std::vector<telemetry::Stamped> events{};  // newest last
};

}  // namespace memoir::page
