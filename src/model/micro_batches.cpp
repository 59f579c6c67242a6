#include "model/micro_batches.hpp"

#include <algorithm>
#include <numeric>

namespace memoir::model {

std::vector<std::vector<std::size_t>> plan_micro_batches(std::span<const std::size_t> lengths,
                                                         std::size_t budget) {
    std::vector<std::size_t> order(lengths.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return lengths[a] > lengths[b]; });
    std::vector<std::vector<std::size_t>> batches;
    std::size_t columns = 0;  // of the last batch: the length of its first text
    for (const auto index : order) {
        if (batches.empty() || (batches.back().size() + 1) * columns > budget) {
            batches.emplace_back();
            columns = lengths[index];
        }
        batches.back().push_back(index);
    }
    return batches;
}

}  // namespace memoir::model
