#pragma once
// Pending rows that the database does not let us claim (a trigger that raises for one row): left out of
// claims for a while, so that they stop no other. Known to this process alone. Thread safety: all of OddRows.

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "base/clock.hpp"

namespace memoir::work {

class OddRows {
  public:
    // After so long a row is tried again: a person may have mended what was in its way.
    static constexpr Milliseconds left_for{600'000};
    // More of them are no odd rows: the database refuses everything, and claims say so.
    static constexpr std::size_t most = 100;

    // False when there are too many.
    bool leave(std::int64_t id, TimePoint now) {
        std::lock_guard lock(mutex_);
        if (until_.size() >= most && !until_.contains(id)) return false;
        until_[id] = now + left_for;
        return true;
    }
    std::vector<std::int64_t> left(TimePoint now) {
        std::lock_guard lock(mutex_);
        std::erase_if(until_, [&](const auto& row) { return row.second <= now; });
        std::vector<std::int64_t> ids;
        for (const auto& [id, until] : until_) ids.push_back(id);
        return ids;
    }

  private:
    std::mutex mutex_;
    std::map<std::int64_t, TimePoint> until_;
};

}  // namespace memoir::work
