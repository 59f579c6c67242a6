#pragma once
// Claims whose holder is gone, taken back in slices. An outage of the database must not let the first process
// back declare the fleet dead: a row is taken only when the own heartbeats have been answered without a break
// for half a lease, and two looks a good part of a heartbeat apart saw the same claim. States: a round of
// slices over what is overdue, then another one. Thread safety: one thread. Errors: pg::Error of a slice,
// which is tried again; a row that the database refuses is told and left.

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "queue/recover.hpp"
#include "work/context.hpp"

namespace memoir::work {

class Recovery {
  public:
    // What of memoird_hosts is there, and whether the own heartbeats are answered.
    struct View {
        bool hosts = false, draining = false;
        std::function<bool()> healthy;
    };
    // `kind` empty: everything that goes back to pending. Else: the rows of this kind that have no attempt
    // left, which end as fail does; only who serves the kind knows what that changes.
    Recovery(Context& context, View view, std::string kind = {});

    // One slice. True: the round is not over.
    bool slice(pg::Connection& connection, int limit);

  private:
    struct Seen {
        queue::Overdue row;
        TimePoint at;
        std::uint64_t round;
    };
    bool mine(const queue::Overdue& row) const;
    std::vector<queue::Overdue> seen_twice(const std::vector<queue::Overdue>& rows);
    void give_back(pg::Connection& connection, std::span<const queue::Overdue> rows);
    void bury(pg::Connection& connection, std::span<const queue::Overdue> rows);
    void bury_together(pg::Connection& connection, std::span<const queue::Overdue> rows, const Entry& entry);

    Context& context_;
    const View view_;
    const std::string kind_;
    queue::Cursor after_;
    std::uint64_t round_ = 0;
    std::unordered_map<std::int64_t, Seen> seen_;  // overdue rows by the first look that saw them so
};

}  // namespace memoir::work
