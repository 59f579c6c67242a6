#pragma once
// Jobs that come back from an endpoint time and again, in whatever way it failed them, although it served
// others in between: what one memory does to a server must not hold up all others for ever. Nobody is charged
// for it; such a job only waits longer each time. Counted in this process alone. Thread safety: all.

#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/clock.hpp"

namespace memoir::work {

class ParkHistory {
  public:
    // How often in a row, this time included. `served`: the calls that its endpoint has served so far; where
    // none was since the last time, this one is not counted. Empty: no endpoint can tell.
    int came_back(std::int64_t job, TimePoint now, std::optional<std::uint64_t> served = std::nullopt);
    int times(std::int64_t job) const;
    // Its endpoint refused it, and it is not clear whom else: until it is forgotten it stands behind others.
    void refused(std::int64_t job, TimePoint now);
    bool was_refused(std::int64_t job) const;
    // It is done, or failed.
    void forget(std::int64_t job);
    std::size_t size() const;

    // So often in a row a job waits as long as its endpoint asks for.
    static constexpr int patience = 2;
    // Beyond that twice as long as the last time, ten minutes at most where `least`, what
    // the endpoint asks for, is not more than that, else sixteen times as long.
    static Milliseconds delay(int times, Milliseconds least);

  private:
    struct Entry {
        int times = 0;
        bool refused = false;
        TimePoint last;
        std::optional<std::uint64_t> served;
    };
    Entry& entry(std::int64_t job, TimePoint now);

    mutable std::mutex mutex_;
    std::unordered_map<std::int64_t, Entry> jobs_;
};

}  // namespace memoir::work
