#pragma once
// Whose fault a failure at an endpoint is. A hung server fails everything, a poison job crashes a healthy
// one, a wrong setting makes a server refuse all that is asked of it: only what else happened there tells
// them apart. Pure: what is known is passed in, and so is nothing of clocks, locks or I/O.
//
// The rules, in this order:
// 1. What is certain (outage, throttled, blocked) and not in doubt is the endpoint's.
// 2. An endpoint that is known to be out is never held against a job.
// 3. What was refused alike for `alike_jobs` different jobs, with none served in between, is everybody's.
// 4. Served others, or passed its probe: the job's own. Neither: ask with the probe.
// 5. A job's own failure is confirmed when another job was served after it, or when the job is refused again
//    and no other has joined it meanwhile. Until then it must not end the job.

#include "base/failure.hpp"

namespace memoir::endpoint {

// How an ambiguous failure showed: in the server's own words, by a broken wire, or by a time-out.
enum class Shown { said, cut, silent };

// So many different jobs refused alike are no coincidence; few enough that finding out costs little.
inline constexpr int alike_jobs = 5;

// What an endpoint remembers about refusals like the one to be judged.
struct Standing {
    int alike = 0;  // different jobs refused alike since the last success of another job, this one included;
                    // 0: whose call it was is not known
    int times = 0;  // how often this job was refused so
    bool served = false;  // another job was served after this job's first refusal
    bool joined = false;  // another job was refused alike for the first time since this job's last refusal
};

struct Known {
    bool can_probe = true;
    bool worked = false;  // a call or probe of any nature has succeeded since the start
    bool open = false;    // the breaker is open, or opened since this call failed
    // A call or probe of the same nature succeeded since this call began; since it failed, when that was a
    // time-out, a broken wire or a refusal that may mean everybody: the server may have changed in between.
    bool others_succeeded = false;
    bool probe_passed = false;  // lately, while refusals like this one came
    bool cut_together = false;  // another call in flight was cut at about the same time
    Standing standing;
};

enum class Blame {
    endpoint,     // it works for nobody that we know of
    everybody,    // it may answer, but refuses every job: rule 3
    job,          // its own
    unconfirmed,  // its own as far as is known: it must not end for it
    spared,       // nobody's, unless the job brings it again
    probe,        // ask: run the synthetic probe, then judge again
};

Blame judge(const Failure& failure, Shown shown, const Known& known);

// Whether what else happens at the endpoint has a say in what a failure is.
bool is_doubtful(const Failure& failure, Shown shown, const Known& known);

// Whether what comes after a failure, and not what was in flight beside it, tells whose it is.
bool is_judged_by_what_follows(const Failure& failure, Shown shown);

// Outage, throttled, blocked: no doubt what it is.
bool is_certain(FailureType type);

// What a failure that an endpoint hands out says besides its type, in the fields that failures have.
// A job's own as far as is known: no other job was served since, so it must not end the job.
bool is_unconfirmed(const Failure& failure);
// The endpoint answers, and refuses every job, or its probe. What a human should do about it is not known,
// and it is asked again soon.
bool is_of_everybody(const Failure& failure);
Failure of_everybody(const Failure& failure, const std::string& said);

}  // namespace memoir::endpoint
