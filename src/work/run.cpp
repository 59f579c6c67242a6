#include "work/run.hpp"

namespace memoir::work {

void Run::cancel(Cause cause) {
    auto none = Cause::none;
    cause_.compare_exchange_strong(none, cause);
    stop_.request_stop();
}

TimePoint Run::deadline(TimePoint now) const {
    const auto since = waits_since_.load();
    return since < now ? deadline_.load() + (now - since) : deadline_.load();
}

void Run::waiting(bool waits, TimePoint now) {
    const auto since = waits_since_.exchange(TimePoint::max());
    if (since < now) deadline_ = deadline_.load() + (now - since);
    if (waits) waits_since_ = now;
}

}  // namespace memoir::work
