#pragma once
// One libpq connection, used non-blocking with deadlines. All SQL is parameterised and goes through the
// unnamed prepared statement, so that a transaction pooler works. A deadline or a stop shuts the socket down:
// the connection is broken then, and its owner throws it away. Thread safety: one thread at a time. Errors:
// pg::Error.

#include <libpq-fe.h>

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "pg/error.hpp"
#include "pg/result.hpp"

namespace memoir::pg {

struct ConnectOptions {
    std::string conninfo;  // libpq URI or keywords; may hold a password: never logged
    std::string application_name = "memoird";
    Milliseconds connect_timeout{10'000};    // name resolution, TCP, TLS and authentication together
    Milliseconds statement_timeout{30'000};  // client side, per round trip
};

// One segment of a pipeline: its statements are one implicit transaction, ended by a Sync.
using Segment = std::vector<Statement>;
// The results of a segment's statements, or why it was rolled back.
using SegmentResult = std::variant<std::vector<Result>, Error>;

class Connection {
  public:
    // Resolves names off this thread, within the deadline. Throws Error(connection) or Error(permission).
    static std::unique_ptr<Connection> connect(const ConnectOptions& options, std::stop_token stop = {});
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // One statement, its own transaction unless inside begin/commit.
    // A connection lost while a writing statement outside a transaction was under way throws UnknownOutcome.
    Result exec(const std::string& sql, const Params& params = {}, std::stop_token stop = {});

    // One round trip, one implicit transaction a segment. A lost connection throws UnknownOutcome (any of the
    // segments may stand); a segment's own error is returned and does not touch the others.
    std::vector<SegmentResult> pipeline(std::span<const Segment> segments, std::stop_token stop = {});

    bool broken() const { return broken_; }
    // Replaces statement_timeout for the next calls (0: back to the option's).
    void set_timeout(Milliseconds timeout) { timeout_ = timeout; }
    int socket() const { return PQsocket(handle_.get()); }
    int server_version() const { return PQserverVersion(handle_.get()); }  // 150018
    // For LISTEN: consumes what is readable and returns the notifications (channel, payload).
    struct Notification {
        std::string channel, payload;
    };
    std::vector<Notification> notifications();

  private:
    friend class Transaction;
    Connection(PGconn* handle, const ConnectOptions& options);
    // The implementer adds what it needs.
    std::unique_ptr<PGconn, decltype(&PQfinish)> handle_;
    ConnectOptions options_;
    Milliseconds timeout_{0};
    bool broken_ = false;
    bool in_transaction_ = false;
};

// begin … commit, READ COMMITTED. Destroyed uncommitted, it rolls back (or leaves a broken connection
// behind). `lock_timeout` 500 ms stays below deadlock_timeout: memoird always yields first.
class Transaction {
  public:
    enum class Durability { on, off };  // off: synchronous_commit off for this transaction only
    Transaction(Connection& connection, Durability durability, Milliseconds lock_timeout = Milliseconds(500));
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    Result exec(const std::string& sql, const Params& params = {});
    std::vector<Result> pipeline(
        std::span<const Statement> statements);  // one round trip, throws the first Error
    void commit();  // throws UnknownOutcome when the connection is lost after COMMIT was sent
    Connection& connection() { return connection_; }

  private:
    Connection& connection_;
    bool open_ = true;
};

// A change to make inside a settling transaction. Throws to roll back.
using Effect = std::function<void(Transaction&)>;

}  // namespace memoir::pg
