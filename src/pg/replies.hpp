#pragma once
// Sorts the results of a round trip into its segments. Thread safety: one thread at a time.

#include <libpq-fe.h>

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "pg/connection.hpp"

namespace memoir::pg {

class Replies {
  public:
    explicit Replies(std::vector<std::size_t> statements) : expected_(std::move(statements)) {}

    void add(PGresult* result);  // takes it over; null stands between the statements
    bool complete() const { return done_.size() == expected_.size(); }
    // The error of the segment under way: once it has one, it cannot stand any more.
    const std::optional<Error>& error() const { return error_; }
    std::vector<SegmentResult> take() { return std::move(done_); }

  private:
    void finish_segment();

    std::vector<std::size_t> expected_;  // statements of each segment
    std::vector<SegmentResult> done_;
    std::vector<Result> results_;  // of the segment under way
    std::optional<Error> error_;
};

}  // namespace memoir::pg
