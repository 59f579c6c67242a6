#pragma once
// A real PostgreSQL for tests: started by them in a temporary directory, gone with them.
// Thread safety: one thread at a time, but url() and friends from any.

#include <memory>
#include <string>
#include <vector>

#include "pg/connection.hpp"
#include "pg/options.hpp"

namespace memoir::test {

class Cluster {
  public:
    struct Settings {
        bool fsync = false;               // true where a test is about what survives a crash
        std::vector<std::string> config;  // "max_connections=200"
    };
    Cluster() : Cluster(Settings{}) {}
    explicit Cluster(Settings settings);
    ~Cluster();
    Cluster(const Cluster&) = delete;
    Cluster& operator=(const Cluster&) = delete;

    // One a test process, started at the first use, stopped at exit (also when a test fails).
    static Cluster& shared();

    // As superuser `postgres`, over the unix socket; database `memoir` exists.
    std::string url(const std::string& database = "memoir") const;
    // Over 127.0.0.1 (trust authentication); `port` 0 is the server's own: a proxy puts its own there.
    std::string tcp_url(const std::string& database = "memoir", int port = 0) const;
    int port() const;
    const std::string& directory() const;

    enum class Stop { fast, immediate, kill };
    void stop(Stop how);  // returns when it is down
    void start();         // returns when it accepts connections

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// A schema of its own for one test, dropped at its end.
class TestSchema {
  public:
    enum class With {
        nothing,   // an empty name: the schema does not exist
        contract,  // the library's schema alone, as the library leaves it
        all,       // and everything that `memoirctl schema apply` adds
    };
    explicit TestSchema(With with = With::all, Cluster& cluster = Cluster::shared());
    ~TestSchema();

    const std::string& name() const;     // "t_1234_1"
    pg::ConnectOptions options() const;  // connects to the cluster's socket
    pg::Options database() const;        // the same as configuration, with the schema's name
    std::unique_ptr<pg::Connection> connect() const;
    // A connection of the test's own; `$schema` in the SQL is replaced by the schema's name.
    pg::Result sql(const std::string& text, const pg::Params& params = {});
    std::int64_t number(const std::string& text, const pg::Params& params = {});  // first column of first row
    std::string value(const std::string& text, const pg::Params& params = {});

    // Inserts a memory of scope (a, o, u) and returns its pid.
    std::string memory(const std::string& content, const std::string& kind = "episodic");
    // Enqueues a job as the library does and returns its id.
    std::int64_t job(const std::string& source_pid, const std::string& kind,
                     const std::string& payload = "{}");

  private:
    Cluster& cluster_;
    std::string name_;
    std::unique_ptr<pg::Connection> connection_;
};

}  // namespace memoir::test
