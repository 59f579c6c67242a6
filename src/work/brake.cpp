#include "work/brake.hpp"

#include <algorithm>

#include "base/cause.hpp"

namespace memoir::work {

namespace {
// Turns come at the rate at which jobs may fail.
constexpr Milliseconds turn = Brake::window / Brake::most;
// Causes are words of ours: more than that only where one of them holds something that varies.
constexpr std::size_t most_lines = 1'000;
}  // namespace

Brake::Answer Brake::may_fail(const std::string& kind, const std::string& reason, TimePoint now) {
    std::lock_guard lock(mutex_);
    if (lines_.size() >= most_lines)
        std::erase_if(lines_, [&](const auto& item) {
            const auto& failed = item.second.failed;
            return failed.empty() || now - failed.back() > window;
        });
    auto& line = lines_[{kind, cause_of(reason)}];
    while (!line.failed.empty() && now - line.failed.front() >= window) line.failed.pop_front();
    if (line.failed.empty()) line.pulled = false;
    if (line.failed.size() < most) {
        line.failed.push_back(now);
        return {};
    }
    line.next = std::max(line.next + turn, line.failed.front() + window);
    const auto wait = std::chrono::ceil<Milliseconds>(line.next - now);
    return {std::min(wait, longest_wait), !std::exchange(line.pulled, true)};
}

}  // namespace memoir::work
