#pragma once
// Makes claims: the statement, its answer, and the search for rows of a claim whose answer was lost. Shared
// by the loops and by completions that claim in the same round trip. Thread safety: all of Claimer.

#include <memory>
#include <string>
#include <vector>

#include "queue/job.hpp"
#include "work/context.hpp"

namespace memoir::work {

// One claim statement, from the pick to its rows.
struct ClaimRequest {
    Task task;
    std::string claimed_by;
    TimePoint sent;
    std::unique_ptr<ClaimTable::InFlight> flight;
    std::vector<queue::Job> jobs;  // the answer
};

class Claimer {
  public:
    explicit Claimer(Context& context) : context_(context) {}

    // `lane`, `number`: of the loop that claims.
    std::unique_ptr<ClaimRequest> request(Task task, const std::string& lane, int number) const;
    pg::Statement statement(const ClaimRequest& request) const;
    // Sends it and fills in its rows. Waits for the database, and gives up when `stop` comes; false: not
    // answered.
    bool claim(ClaimRequest& request, const std::stop_token& stop);
    // The reply was lost: the rows that it took, if any, carry its number. What commits later than this look
    // is found by a heartbeat.
    void adopt(ClaimRequest& request, const std::stop_token& stop);

  private:
    Context& context_;
};

}  // namespace memoir::work
