#pragma once
// Which jobs an endpoint refused, and in which words: what tells one odd memory from a server that refuses
// everybody. Calls carry the ids of the jobs that they are made for; a batch that is refused holds at least
// one culprit, and its parts show how many there are: sets without a common member are different culprits.
//
// "Alike" is the same failure type and the same reason, numbers left out. The server's own text has no say:
// many servers put something of the request into it. Moments are the endpoint's order of events.
// Thread safety: none.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/failure.hpp"
#include "endpoint/blame.hpp"

namespace memoir::endpoint {

using Jobs = std::vector<std::int64_t>;  // sorted, each once
using Moment = std::uint64_t;

class Refusals {
  public:
    // A call for `jobs` failed. No jobs: whose it was is not known, and nothing is kept.
    void refused(const Failure& failure, const Jobs& jobs, Moment at);
    // It was the endpoint's doing, and is known: it says nothing about others like it. A limit is kept in
    // mind: one job may meet it alone.
    void explained(const Failure& failure, const Jobs& jobs);
    // A call for `jobs` succeeded, no jobs: for somebody else.
    void served(const Jobs& jobs, Moment at);
    // Where the last refusal of these jobs stands among those alike.
    Standing standing(const Failure& failure, const Jobs& jobs) const;
    // The other jobs that are refused alike at the moment.
    Jobs companions(const Failure& failure, const Jobs& jobs) const;
    // How many different jobs at most have been refused alike since another was served.
    int most_alike() const;

  private:
    struct Record {
        FailureType type;
        std::string cause;
        Jobs jobs;
        Moment first, last, before;  // before: the refusal before the last one
        Moment served = 0;           // when another job was served last
        int times = 1;
        bool stands() const { return served < last; }
    };
    const Record* find(const std::string& cause, const Jobs& jobs) const;

    std::vector<Record> records_;
};

}  // namespace memoir::endpoint
