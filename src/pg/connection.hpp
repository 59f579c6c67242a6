#pragma once
// One libpq connection, used non-blocking with deadlines. All SQL is parameterised and goes through the
// unnamed prepared statement, so that a transaction pooler works. Only behind none, or behind one that keeps
// its clients' prepared statements (PgBouncer's max_prepared_statements), those that are sent all day are
// prepared by name: parsing and planning are the larger part of the server's work for them. The first
// repeated statement finds out which it is. A deadline or a stop shuts the socket down: the connection is
// broken then, and its owner throws it away; the server is asked to cancel from a thread that nobody waits
// for. Thread safety: one thread at a time. Errors: pg::Error; a stop is Error(cancelled) without a SQLSTATE,
// and UnknownOutcome of that class where a loss would be one.

#include <libpq-fe.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "pg/error.hpp"
#include "pg/result.hpp"
#include "pg/waiter.hpp"

namespace memoir::pg {

class Replies;
class Resolver;

struct ConnectOptions {
    std::string conninfo;  // libpq URI or keywords; may hold a password: never logged
    std::string application_name = "memoird";
    Milliseconds connect_timeout{10'000};    // name resolution, TCP, TLS and authentication together
    Milliseconds statement_timeout{30'000};  // client side, per round trip
    Milliseconds longest_backoff{5'000};     // between a pool's connects in an outage
    Resolver* resolver = nullptr;            // null: the shared one
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
    // A connection lost after a statement outside a transaction was handed over throws UnknownOutcome; before
    // that, also when it had been lost while idle, Error(connection).
    Result exec(const std::string& sql, const Params& params = {}, std::stop_token stop = {});
    Result exec(const Statement& statement, std::stop_token stop = {});
    // Several in one round trip and one transaction. Throws the first Error.
    std::vector<Result> exec(std::span<const Statement> statements, std::stop_token stop = {});

    // One round trip, one implicit transaction a segment. A lost connection throws UnknownOutcome (any of the
    // segments may stand); a segment's own error is returned and does not touch the others.
    std::vector<SegmentResult> pipeline(std::span<const Segment> segments, std::stop_token stop = {});

    bool broken() const { return broken_; }
    // Replaces statement_timeout for the next calls (0: back to the option's).
    void set_timeout(Milliseconds timeout) { timeout_ = timeout; }
    // Ends statements that are given no stop of their own, from now on.
    void stop_with(std::stop_token stop) { stop_ = std::move(stop); }
    int socket() const { return PQsocket(handle_.get()); }
    int server_version() const { return PQserverVersion(handle_.get()); }  // 150018
    // For LISTEN: consumes what is readable and returns the notifications (channel, payload).
    struct Notification {
        std::string channel, payload;
    };
    std::vector<Notification> notifications();
    // Waits for something to read: a notification, or the end of the connection.
    Waiter::Woken wait_readable(TimePoint until, std::stop_token stop);
    // A second one to the same server, as the same role.
    std::unique_ptr<Connection> another(std::stop_token stop = {}) const { return connect(options_, stop); }
    // True when it can be given to somebody else: whole, outside a transaction, and not closed by the server.
    bool reusable();
    // Why it is broken; empty while it is not.
    const std::optional<Error>& loss() const { return loss_; }
    // False: a pooler stands between.
    bool reaches_server(const std::stop_token& stop = {});

  private:
    friend class Transaction;
    struct View {
        const char* sql;
        const Params* params;
        bool repeated = false;
        bool in_order = false;
        const char* name = nullptr;     // run the statement prepared under it
        const char* prepare = nullptr;  // prepare it under this name instead
    };
    // Where prepared statements are kept: in no place that every transaction meets; in the server's session,
    // which is ours; by a pooler, whose server sessions are everybody's.
    enum class Keeping { none, session, pooled };
    static View view(const Statement& statement);
    using Handle = std::unique_ptr<PGconn, decltype(&PQfinish)>;
    Connection(Handle handle, const ConnectOptions& options);

    // `settles`: a loss leaves the outcome open. Segment errors are returned.
    std::vector<SegmentResult> round_trip(std::vector<std::vector<View>> segments, bool settles,
                                          const std::stop_token& stop);
    std::vector<Result> run(std::vector<View> statements, bool settles, const std::stop_token& stop);
    std::optional<Error> receive(Replies& replies, TimePoint deadline, Milliseconds limit);
    bool send(const std::vector<std::vector<View>>& segments);
    const char* prepared(const char* sql, const std::stop_token& stop);
    Keeping find_out_keeping(const std::stop_token& stop);
    void read_what_is_there();
    void notice_loss_while_idle();
    void abandon(const Error& cause, bool cancel);
    static void on_notice(void* self, const PGresult* notice);

    Handle handle_;
    ConnectOptions options_;
    Milliseconds timeout_{0};
    std::stop_token stop_;
    bool broken_ = false;
    bool in_transaction_ = false;
    bool dismissed_ = false;                                 // the server said goodbye while idle
    std::optional<Keeping> keeping_;                         // empty: not found out yet
    bool outdated_ = false;                                  // what is prepared here fits the schema no more
    std::unordered_map<std::string, std::string> prepared_;  // SQL → the name that it is prepared under
    std::vector<Statement>
        prologue_;  // sent together with the next statement: begin, settings, deferred ones
    std::optional<Error> loss_;
    Waiter waiter_;
};

// begin … commit, READ COMMITTED. Begin travels with the first statement, so a transaction of one exec and a
// commit is two round trips, and one of commit(statements) alone, or of what was deferred to the commit, is
// one. Destroyed uncommitted, it rolls back
// (or leaves a broken connection behind). `lock_timeout` 500 ms stays below deadlock_timeout: memoird always
// yields first; 0 waits for ever. Connection::exec on its connection is part of the transaction meanwhile.
class Transaction {
  public:
    enum class Durability { on, off };  // off: synchronous_commit off for this transaction only
    Transaction(Connection& connection, Durability durability, Milliseconds lock_timeout = Milliseconds(500),
                std::stop_token stop = {});
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    Result exec(const std::string& sql, const Params& params = {});
    Result exec(const Statement& statement);
    std::vector<Result> pipeline(
        std::span<const Statement> statements);  // one round trip, throws the first Error
    // Sent together with the next statement or the commit, which throws its error; its result is not wanted.
    void defer(Statement statement);
    void commit();  // throws UnknownOutcome when the connection is lost after COMMIT was sent
    // `last` and the commit in one round trip. Throws the first Error, and nothing stands then;
    // UnknownOutcome as above.
    std::vector<Result> commit(std::span<const Statement> last);
    void rollback() noexcept;  // at once, so that locks do not wait for the destructor
    Connection& connection() { return connection_; }

  private:
    Result run(Connection::View view);
    std::vector<Result> run(std::span<const Statement> statements, bool commit);
    Connection& connection_;
    std::stop_token stop_;
    bool open_ = true;
    bool used_ = false;    // something was sent, or is to be
    bool failed_ = false;  // a statement failed: the server would turn a commit into a rollback
};

// A change to make inside a settling transaction. Throws to roll back.
using Effect = std::function<void(Transaction&)>;

}  // namespace memoir::pg
