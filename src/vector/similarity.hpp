#pragma once
// Exact nearest neighbours in memory. Pure. Thread safety: one thread at a time an object.

#include <queue>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vector/index.hpp"

namespace memoir::vector {

// Cosine of the angle between two vectors of one length; 0 where one has norm zero. In 32 bits, as Qdrant
// and the library compute it.
float cosine(std::span<const float> a, std::span<const float> b);

// Whether a score passes a query's threshold: strictly above, compared in 32 bits as readers compare.
bool above(double score, const std::optional<double>& threshold);

// Best first; of equal scores the smaller pid, so that an answer repeats.
bool better(const Hit& a, const Hit& b);

// Keeps the best `limit` of the candidates that it is shown.
class Nearest {
  public:
    Nearest(const Query& query);
    void offer(std::string_view pid, std::span<const float> vector);
    std::vector<Hit> take();  // best first

  private:
    const Query& query_;
    std::size_t limit_;
    std::priority_queue<Hit, std::vector<Hit>, decltype(&better)> worst_on_top_{&better};
};

}  // namespace memoir::vector
