#pragma once
// Makes claims: the statement, its answer, and the search for rows of a claim whose answer was lost. Shared
// by the loops and by completions that claim in the same round trip. Thread safety: all of Claimer.

#include <memory>
#include <string>
#include <vector>

#include "queue/job.hpp"
#include "work/context.hpp"
#include "work/odd_rows.hpp"

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
    pg::Statement statement(const ClaimRequest& request);
    // Sends it and fills in its rows. Waits for the database, and gives up when `stop` comes; false: not
    // answered.
    bool claim(ClaimRequest& request, const std::stop_token& stop);
    // The reply was lost: the rows that it took, if any, carry its number. What commits later than this look
    // is found by a heartbeat.
    void adopt(ClaimRequest& request, const std::stop_token& stop);

  private:
    bool claim_once(ClaimRequest& request, const std::stop_token& stop);
    // The database refuses to update one of the rows: narrows the claim until that one is alone, names it,
    // and leaves it. Returns false when it could not be found.
    bool leave_odd_row(ClaimRequest& request, const pg::Error& error, const std::stop_token& stop);

    Context& context_;
    OddRows odd_rows_;
};

}  // namespace memoir::work
