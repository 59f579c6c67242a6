#include "vector/similarity.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace memoir::vector {

float cosine(std::span<const float> a, std::span<const float> b) {
    // Eight sums side by side: the compiler may then use vector registers without reordering additions.
    constexpr std::size_t lanes = 8;
    std::array<float, lanes> ab{}, aa{}, bb{};
    std::size_t at = 0;
    for (; at + lanes <= a.size(); at += lanes)
        for (std::size_t lane = 0; lane < lanes; ++lane) {
            const float x = a[at + lane], y = b[at + lane];
            ab[lane] += x * y;
            aa[lane] += x * x;
            bb[lane] += y * y;
        }
    for (; at < a.size(); ++at) {
        ab[0] += a[at] * b[at];
        aa[0] += a[at] * a[at];
        bb[0] += b[at] * b[at];
    }
    const auto sum = [](const auto& parts) {
        float total = 0;
        for (const float part : parts) total += part;
        return total;
    };
    const float norms = std::sqrt(sum(aa)) * std::sqrt(sum(bb));
    return norms == 0 ? 0 : sum(ab) / norms;
}

bool above(double score, const std::optional<double>& threshold) {
    return !threshold || static_cast<float>(score) > static_cast<float>(*threshold);
}

bool better(const Hit& a, const Hit& b) {
    return a.score != b.score ? a.score > b.score : a.pid < b.pid;
}

Nearest::Nearest(const Query& query)
    : query_(query), limit_(query.limit > 0 ? static_cast<std::size_t>(query.limit) : 0) {}

void Nearest::offer(std::string_view pid, std::span<const float> vector) {
    const double score = cosine(query_.vector, vector);
    if (limit_ == 0 || std::isnan(score) || !above(score, query_.score_above)) return;
    Hit hit{std::string(pid), score};
    if (worst_on_top_.size() == limit_) {
        if (!better(hit, worst_on_top_.top())) return;
        worst_on_top_.pop();
    }
    worst_on_top_.push(std::move(hit));
}

std::vector<Hit> Nearest::take() {
    std::vector<Hit> hits(worst_on_top_.size(), Hit{{}, 0});
    for (auto at = hits.rbegin(); at != hits.rend(); ++at) {
        *at = worst_on_top_.top();
        worst_on_top_.pop();
    }
    return hits;
}

}  // namespace memoir::vector
