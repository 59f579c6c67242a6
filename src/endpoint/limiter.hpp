#pragma once
// How many calls run at once and how soon the next may start, by what the provider's rate-limit headers say:
// obeyed before the next call, not after the next 429. Pure: no clock, no lock; Endpoint does the waiting.
// Thread safety: none.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"

namespace memoir::endpoint {

// What one family of rate-limit headers said (requests, tokens …): a bucket of `limit` that is full again
// after `reset`. Both providers that send them document exactly that.
struct Quota {
    double limit = 0;
    double remaining = 0;
    Milliseconds reset{0};
    double cost = 1;  // of one call, in the units of limit: 1 for requests, the expected tokens for tokens
};

class Limiter {
  public:
    explicit Limiter(int max_concurrent) : max_concurrent_(max_concurrent) {}  // 0: no limit

    // When the next call may start: `now` or earlier, the moment when a quota has room, or TimePoint::max()
    // when every permit is in use.
    TimePoint may_start(TimePoint now) const;
    // The same without the permits: until when calls are held back.
    TimePoint held_until(TimePoint now) const;
    bool has_permit() const { return most() <= 0 || in_use_ < most(); }
    // How many permits there are now, 0: no limit. A server with a silent queue (Ollama) answers nothing late
    // but everything: after a time-out beside other calls half as many run at once, and one more each time
    // that 16 times so many have succeeded, up to the limit.
    int most() const { return allowed_ > 0 ? allowed_ : max_concurrent_; }
    void timed_out(std::uint64_t start);  // the call of this start, whose permit is still held
    void served();                        // a call succeeded

    // Takes a permit and a call's worth of every quota; returns the number of this start.
    std::uint64_t take();
    std::uint64_t spend();           // the same without a permit: a probe
    void give_back() { --in_use_; }  // the call is over
    void refund();                   // it never took place
    int in_use() const { return in_use_; }
    std::uint64_t last_start() const { return starts_; }

    // No call starts before `until`; an hour from now at most. Later holds win.
    void hold_until(TimePoint now, TimePoint until);
    // The headers of the answer to start number `start`, which began at `began`. Senseless ones are ignored.
    void observe(TimePoint now, std::string_view which, const Quota& quota, std::uint64_t start,
                 TimePoint began);

  private:
    // What the server's bucket should hold, in calls: grows by itself, each of our starts takes one.
    struct Bucket {
        double limit, tokens, per_second;
        TimePoint as_of;
        double at(TimePoint now) const;
        double needed() const;
    };
    Bucket& bucket(std::string_view which);

    int max_concurrent_, in_use_ = 0;
    int allowed_ = 0, ceiling_ = 0, served_ = 0;  // allowed_ 0: as many as max_concurrent_ says
    std::uint64_t starts_ = 0, halved_at_ = 0;    // what started before has been answered with that halving
    TimePoint hold_{};
    std::vector<std::pair<std::string, Bucket>> buckets_;
};

}  // namespace memoir::endpoint
