#pragma once
// What an engine works by: its lanes, its policy, and what its kinds are. Never changed: a reload gives the
// engine another one (Engine::replace), new claims are made by that, and a job under way ends by the one that
// it began with. Thread safety: a constant value.

#include <memory>
#include <string>
#include <vector>

#include "work/options.hpp"
#include "work/stage.hpp"

namespace memoir::work {

struct Plan {
    // `lease` holds from the engine's start to its end: the whole fleet relies on it.
    Options options;
    Registry registry;
    bool has_graph =
        false;  // here, or with graph_absent = "leave" on another host: lost fan-ins are repaired
    // Lives as long as anything works by this plan: what the registry points to.
    std::shared_ptr<const void> backing{};

    // The lanes without the kinds that the registry does not hold.
    std::vector<LaneOptions> served() const;
    // Whether the backends of a kind that is served take work now.
    bool takes_work(const std::string& kind) const;
};

using PlanPtr = std::shared_ptr<const Plan>;

}  // namespace memoir::work
