#pragma once
// What a failure means for the job. Pure: the type decides everything. Thread safety: functions.

#include "base/clock.hpp"
#include "base/failure.hpp"
#include "work/options.hpp"

namespace memoir::work {

struct Decision {
    enum class End {
        park,     // pending again after `delay`
        fail,     // state failed, final effects
        release,  // pending again at once, nothing counted
    } end;
    Milliseconds delay{0};
    int attempts = 0;  // added by park
};

// A failure that would end the job parks it without an attempt as long as it is unconfirmed.
// `attempts`: counted before this run. `wait`: until the next probe of the endpoint that failed; zero where
// none is involved. `random`: uniform in [0, 1).
Decision decide(const Failure& failure, int attempts, Milliseconds wait, const Options& options,
                double random);

// Attempt n waits base × 2ⁿ⁻¹, at most `cap`, of which the last quarter is jitter.
Milliseconds back_off(int attempt, Milliseconds base, Milliseconds cap, double random);

}  // namespace memoir::work
