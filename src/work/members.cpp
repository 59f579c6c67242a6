#include "work/members.hpp"

#include <algorithm>
#include <numeric>

namespace memoir::work {

std::vector<Index> everyone(std::size_t size) {
    std::vector<Index> members(size);
    std::iota(members.begin(), members.end(), Index{0});
    return members;
}

std::vector<std::int64_t> ids(std::span<Claim> batch, Members members) {
    std::vector<std::int64_t> result;
    result.reserve(members.size());
    for (const auto member : members) result.push_back(batch[member].job().id);
    return result;
}

std::vector<queue::Fence> fences(std::span<Claim> batch, Members members) {
    std::vector<queue::Fence> rows;
    rows.reserve(members.size());
    for (const auto member : members) rows.push_back(batch[member].fence());
    return rows;
}

std::vector<std::string> sources(std::span<Claim> batch, Members members) {
    std::vector<std::string> pids;
    pids.reserve(members.size());
    for (const auto member : members) pids.push_back(batch[member].job().source_pid);
    std::sort(pids.begin(), pids.end());
    pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
    return pids;
}

std::vector<Index> take_returned(std::span<Claim> batch, std::vector<Index>& members,
                                 const pg::Result& result) {
    std::vector<std::int64_t> returned;
    for (int row = 0; row < result.rows(); ++row) returned.push_back(result.integer(row, 0));
    std::sort(returned.begin(), returned.end());
    const auto split = std::stable_partition(members.begin(), members.end(), [&](Index member) {
        return !std::binary_search(returned.begin(), returned.end(), batch[member].job().id);
    });
    std::vector<Index> taken(split, members.end());
    members.erase(split, members.end());
    return taken;
}

std::vector<Index> without(std::vector<Index> before, Members after) {
    std::erase_if(before,
                  [&](Index member) { return std::find(after.begin(), after.end(), member) != after.end(); });
    return before;
}

std::vector<Members> divided(Members members, std::size_t parts) {
    std::vector<Members> result;
    for (std::size_t at = 0, part = 1; part <= parts; ++part) {
        const auto end = members.size() * part / parts;
        if (end > at) result.push_back(members.subspan(at, end - at));
        at = end;
    }
    return result;
}

}  // namespace memoir::work
