#pragma once
// The vector index as a table beside memories, for trials and small installations: SCHEMA.memoird_vectors(pid
// → memories on delete cascade, model, vector real[]). What is written is written by the settling
// transaction, so there is never a vector without its memory, nor one of a memory whose settle failed.
// Search is exact: the cosine with every vector that the query's filter lets through.
// Thread safety: all of it. Errors: pg::Error as it comes; Failure for a vector that does not fit.

#include <string>

#include "pg/pool.hpp"
#include "vector/index.hpp"

namespace memoir::vector {

class PostgresIndex : public Index {
  public:
    // Vectors of another model or dimension than these are not searched.
    PostgresIndex(pg::Pool& pool, std::string schema, std::string model, int dimension);

    // The table is made by `memoirctl schema apply`, not here: a daemon's role creates no tables.
    void prepare(std::stop_token stop) override;
    // The effect upserts all rows with one statement; memories that are gone get none. It copies nothing of
    // `points` that outlives the call but pids and vectors.
    pg::Effect write(std::span<const Point> points, std::stop_token stop) override;
    // Nothing to do: readers see the category that the row of memories has.
    pg::Effect set_category(const std::string& pid, const std::optional<std::string>& category,
                            std::stop_token stop) override;
    void remove(std::span<const std::string> pids, std::stop_token stop) override;
    std::vector<Hit> search(const Query& query, std::stop_token stop) override;
    // What a search reads: pids and vectors, in hex. Each shape of a query (with and without agent and
    // organisation) is a statement of its own, so that each gets its own plan.
    pg::Statement candidates(const Query& query) const;
    void each_pid(const std::function<void(std::span<const std::string>)>& page,
                  std::stop_token stop) override;

  private:
    pg::Pool& pool_;
    std::string name_;              // of the table, for people
    std::string table_, memories_;  // with their schema, quoted: it may be a word that SQL reserves
    std::string model_;
    int dimension_;
};

}  // namespace memoir::vector
