#pragma once
// How long recent successful calls took. Thread safety: none.

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/clock.hpp"

namespace memoir::endpoint {

struct Durations {
    Milliseconds median{0}, p95{0};
};

class History {
  public:
    void add(Milliseconds duration) { ring_[count_++ % ring_.size()] = duration; }

    // nullopt before the first success. Nearest rank.
    std::optional<Durations> typical() const {
        if (count_ == 0) return std::nullopt;
        std::vector<Milliseconds> sorted(
            ring_.begin(), ring_.begin() + static_cast<std::ptrdiff_t>(std::min(count_, ring_.size())));
        std::sort(sorted.begin(), sorted.end());
        const auto rank = [&](std::size_t percent) {
            return sorted[(sorted.size() * percent + 99) / 100 - 1];
        };
        return Durations{rank(50), rank(95)};
    }

  private:
    std::array<Milliseconds, 64> ring_{};  // enough for a p95, few enough to follow a change of the model
    std::size_t count_ = 0;
};

}  // namespace memoir::endpoint
