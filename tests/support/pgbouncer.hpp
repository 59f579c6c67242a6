#pragma once
// A real PgBouncer in transaction mode in front of a cluster. Gone with the object, or with the test program.
// Thread safety: one thread at a time.

#include <memory>
#include <string>
#include <vector>

#include "support/postgres.hpp"

namespace memoir::test {

class Guarded;

class PgBouncer {
  public:
    // What becomes of the statements that its clients prepare, where its version can keep them.
    enum class Statements { kept, lost };
    // `settings`: further lines of its [pgbouncer] section, "default_pool_size = 2".
    explicit PgBouncer(Cluster& cluster, const std::vector<std::string>& settings = {},
                       Statements statements = Statements::kept);
    ~PgBouncer();
    PgBouncer(const PgBouncer&) = delete;
    PgBouncer& operator=(const PgBouncer&) = delete;

    static bool keeps_statements();  // 1.21 or newer

    std::string url(const std::string& database = "memoir") const;  // over 127.0.0.1
    int port() const { return port_; }
    std::string log() const;

  private:
    std::string directory_;
    int port_ = 0;
    std::unique_ptr<Guarded> program_;
};

}  // namespace memoir::test
