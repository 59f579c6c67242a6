#pragma once
// What there is to claim, as far as this process knows: for each kind the cursor, how many loops are worth
// waking, suspects, pauses. A state machine without locks, clocks or I/O: work::Lanes puts a mutex around it.
//
// A wake (a notification, a probe, a returned row) gives a kind one token, and each token sends one loop to
// claim. A loop that finds a full batch brings one back for itself and one for the next; one that finds less
// tries once more; one that finds nothing has used its token up, after a look from the start when it was sent
// by a wake. Thread safety: none.

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "queue/job.hpp"
#include "queue/probe.hpp"
#include "work/options.hpp"

namespace memoir::work {

// A claim to make.
struct Pick {
    std::string kind;
    int limit = 1;
    queue::Position after;  // the cursor, or the start
    bool from_start = false;
    bool suspect = false;  // one suspect instead
    bool woken = false;    // sent by a wake, not by the last claim's success
    std::uint64_t generation = 0;
};

class ClaimScheduler {
  public:
    // Kinds that are served here, each in one of the lanes.
    explicit ClaimScheduler(const std::vector<LaneOptions>& lanes) { follow(lanes); }
    // The same with other lanes. What is known of a kind that stays is kept; every kind is looked at anew.
    // Picks of kinds that are gone may still be answered.
    void follow(const std::vector<LaneOptions>& lanes);

    // Whether the backends of a kind take work now.
    using Gate = std::function<bool(const std::string& kind)>;
    // The next claim for a loop of this lane; kinds of a lane take turns.
    std::optional<Pick> pick(const std::string& lane, const Gate& gate);
    // What came of it. `rows`: how many; `last`: the place of the last one.
    void claimed(const Pick& pick, int rows, const queue::Position& last);
    // It could not be asked: the token comes back with the next wake.
    void unanswered(const Pick& pick);

    void wake(const std::string& kind);
    // A row of this kind is pending at this place, maybe before the cursor.
    void found(const std::string& kind, const queue::Position& at);
    void looked(const queue::Look& look);
    // A look from the start is too dear just now: nothing past the cursor counts as idle.
    void set_slow(const std::string& kind, bool slow);
    // A suspect of ours was settled; the next one may be looked for.
    void suspect_settled() { suspect_held_ = false; }

    bool serves(const std::string& kind) const { return kinds_.contains(kind); }
    bool paused(const std::string& kind) const;
    const std::set<std::string>& pauses() const { return paused_; }  // `*` is all
    std::vector<std::string> kinds() const;
    const std::string& lane_of(const std::string& kind) const { return kinds_.at(kind).lane; }
    // True when a loop of this lane has something to do.
    bool wants(const std::string& lane, const Gate& gate) const;

  private:
    struct Kind {
        std::string lane;
        int batch = 1, loops = 1;
        int tokens = 1;          // at start everything may be there
        bool woken = true;       // the tokens come from a wake
        bool from_start = true;  // the next claim looks from the start
        bool slow = false;
        bool suspects = true;
        queue::Position cursor;
        std::uint64_t generation = 0;  // another one when the cursor is set back
    };
    bool ready(const std::string& name, const Kind& kind, const Gate& gate) const;
    void give(Kind& kind, int tokens, bool woken);

    std::map<std::string, Kind> kinds_;
    std::map<std::string, std::vector<std::string>>
        lanes_;  // kinds of a lane, the one whose turn it is first
    std::set<std::string> paused_;
    bool suspect_held_ = false;
    std::uint64_t generations_ =
        0;  // never repeats: a kind may go and come back between a pick and its answer
};

}  // namespace memoir::work
