#include "endpoint/blame.hpp"

namespace memoir::endpoint {
namespace {

// A limit that one job alone meets time and again, while others are served, is not the account's.
bool is_throttled_alone(const Failure& failure, const Standing& standing) {
    return failure.type() == FailureType::throttled && !failure.of_account && standing.times > 1 &&
           standing.served && !standing.joined;
}

bool is_confirmed(const Standing& standing) {
    if (standing.alike == 0) return true;  // there is nothing to compare it with
    return standing.served || (standing.times > 1 && !standing.joined);
}

Blame own(Shown shown, const Known& known) {
    // One job can make a server break its connection, hardly several at once: the server went away and is
    // back. Those whose fault it was all the same will bring it again.
    if (shown == Shown::cut && known.cut_together) return Blame::spared;
    return is_confirmed(known.standing) ? Blame::job : Blame::unconfirmed;
}

}  // namespace

bool is_certain(FailureType type) {
    return type == FailureType::outage || type == FailureType::throttled || type == FailureType::blocked;
}

bool is_judged_by_what_follows(const Failure& failure, Shown shown) {
    return shown != Shown::said || is_certain(failure.type());
}

bool is_doubtful(const Failure& failure, Shown shown, const Known& known) {
    if (!known.can_probe) return failure.type() == FailureType::ambiguous;
    switch (failure.type()) {
        case FailureType::ambiguous:
        // A server that refuses everything, after an upgrade, say, must not have it all thrown away.
        case FailureType::permanent:
            return true;
        // A gateway may refuse one memory in these words, and a server that has just worked shed one call:
        // that holds up nobody else.
        case FailureType::blocked:
            return known.worked && !failure.of_account;
        case FailureType::outage:
            return known.worked && shown == Shown::said;
        default:
            return false;
    }
}

Blame judge(const Failure& failure, Shown shown, const Known& known) {
    if (is_throttled_alone(failure, known.standing)) return Blame::job;
    const bool doubtful = is_doubtful(failure, shown, known);
    if (is_certain(failure.type()) && !doubtful) return Blame::endpoint;
    if (doubtful && known.open) return Blame::endpoint;
    if (known.standing.alike >= alike_jobs) return Blame::everybody;
    // Of the rest there is no doubt that the server answered.
    if (!doubtful || known.others_succeeded || known.probe_passed) return own(shown, known);
    return known.can_probe ? Blame::probe : Blame::endpoint;
}

bool is_unconfirmed(const Failure& failure) {
    return failure.spared && (failure.type() == FailureType::job || failure.type() == FailureType::permanent);
}

bool is_of_everybody(const Failure& failure) {
    return failure.spared && failure.of_account;
}

// In other words than a job's own, or those who are told it later would be counted with it.
Failure of_everybody(const Failure& failure, const std::string& said) {
    const bool away = failure.type() == FailureType::ambiguous || failure.type() == FailureType::outage;
    Failure result(away ? FailureType::outage : FailureType::blocked, said + failure.reason());
    result.spared = result.of_account = true;
    result.hint = failure.hint;
    if (result.hint.empty())
        result.hint = "the server answers, and refuses all that memoird asks of it; its own log says why";
    return result;
}

}  // namespace memoir::endpoint
