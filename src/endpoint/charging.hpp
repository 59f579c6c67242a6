#pragma once
// Whose an ambiguous failure (500, reset, cut, time-out) is, or one that may mean a single job as well as all
// of them (400, 403, 502). A hung server fails everything, a poison job crashes a healthy one; only what else
// happened at the endpoint tells them apart. Pure.

namespace memoir::endpoint {

struct Circumstances {
    bool open = false;  // the breaker is open, or opened since this call failed
    // A call or probe of the same nature succeeded since this call began; since it failed, when that was a
    // time-out, a broken wire or a refusal: the server may have changed in between.
    bool others_succeeded = false;
    bool can_probe = true;  // there is a probe
};

enum class Blame {
    job,     // the endpoint works for others
    outage,  // it works for nobody that we know of
    probe,   // ask: run the synthetic probe, then judge again
};

// Doubt is for the job: an endpoint known to be out is never held against it.
constexpr Blame judge(const Circumstances& known) {
    if (known.open) return Blame::outage;
    if (known.others_succeeded) return Blame::job;
    return known.can_probe ? Blame::probe : Blame::outage;
}

}  // namespace memoir::endpoint
