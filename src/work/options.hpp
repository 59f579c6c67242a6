#pragma once
// What the operator sets about lanes and claims. Durations are steady-clock milliseconds.

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace memoir::work {

struct LaneOptions {
    std::string name;
    std::vector<std::string> kinds;
    int loops = 1;  // worker loops, each a thread
    int batch = 1;  // jobs a claim takes at most
    friend bool operator==(const LaneOptions&, const LaneOptions&) = default;
};

struct Options {
    std::string host;  // empty: the machine's host name
    std::chrono::milliseconds poll_interval{1'000};
    std::chrono::milliseconds lease{60'000};
    std::chrono::milliseconds foreign_lease{600'000};
    int max_attempts = 3;
    std::chrono::milliseconds retry_base{5'000};
    std::chrono::milliseconds retry_cap{600'000};
    std::chrono::milliseconds job_timeout{600'000};
    std::chrono::milliseconds drain_timeout{30'000};
    bool listen = true;
    bool complete_unconfigured = false;  // unconfigured = "complete"
    bool leave_graph_absent = false;     // graph_absent = "leave"
    std::vector<LaneOptions> lanes = default_lanes();

    static std::vector<LaneOptions> default_lanes() {
        return {{"embed", {"embed"}, 2, 32},
                {"llm", {"extract", "reprocess", "relational_extract"}, 8, 1},
                {"derive", {"categorize", "synthesize"}, 2, 8}};
    }
};

}  // namespace memoir::work
