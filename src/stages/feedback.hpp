#pragma once
// What a person said in a correction is stored at once, also where the rest of it has to wait: for a model
// that is away, or for a host that has one. Rows that wait are changed where they stand: the feedback's
// memory and the note of it in the job's payload are one transaction, as reprocess itself would have made
// them, and the job is worked on later from there. No claim, no attempt. Owns nothing. Thread safety: one
// thread.

#include <stop_token>
#include <string>

#include "pg/pool.hpp"
#include "queue/waiting.hpp"
#include "telemetry/log.hpp"

namespace memoir::stages {

class Feedback {
  public:
    Feedback(pg::Pool& pool, std::string schema, telemetry::Log& log)
        : pool_(pool), schema_(std::move(schema)), log_(log) {}

    static constexpr int at_a_time = 100;
    // Goes on from where the last call ended, and stores that of at most a hundred waiting corrections.
    // Returns how many rows it looked at. Throws pg::Error.
    int store_some(const std::stop_token& stop);

  private:
    bool is_paused(pg::Connection& connection);
    bool store(pg::Connection& connection, const queue::WaitingRow& row);

    pg::Pool& pool_;
    const std::string schema_;
    telemetry::Log& log_;
    bool pauses_ = true;      // until the table of pauses is found not to be there
    std::int64_t after_ = 0;  // ids up to here were looked at
};

}  // namespace memoir::stages
