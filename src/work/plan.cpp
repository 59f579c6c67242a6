#include "work/plan.hpp"

#include <algorithm>

#include "endpoint/endpoint.hpp"

namespace memoir::work {

std::vector<LaneOptions> Plan::served() const {
    std::vector<LaneOptions> result;
    for (auto lane : options.lanes) {
        std::erase_if(lane.kinds, [&](const auto& kind) { return !registry.contains(kind); });
        if (!lane.kinds.empty()) result.push_back(std::move(lane));
    }
    return result;
}

bool Plan::takes_work(const std::string& kind) const {
    return std::ranges::all_of(registry.at(kind).needs,
                               [](const auto* needed) { return needed->allows_claims(); });
}

}  // namespace memoir::work
