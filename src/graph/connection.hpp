#pragma once
// One connection to FalkorDB, non-blocking, with a deadline over everything: name resolution, connect, AUTH,
// each round trip. A deadline or a stop closes it: its owner throws it away. hiredis writes the commands and
// reads the replies. Thread safety: one thread at a time.
//
// Errors are Failures: outage (refused, name, LOADING, BUSY, out of memory, a replica that only reads),
// blocked (user, password, grants, no FalkorDB module), ambiguous (cut, no answer in time), job (a query that
// the server does not take), cancelled.

#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/failure.hpp"
#include "graph/options.hpp"
#include "graph/value.hpp"
#include "pg/waiter.hpp"

struct redisReader;

namespace memoir::graph {

// A query and how its rows are read.
struct Command {
    std::string query;
    // The column whose texts are JSON arrays of numbers, turned into floats as they arrive: an entity's
    // embedding is ten times the size of its vector. -1: none. What does not parse becomes an empty vector.
    int floats = -1;
};

class Connection {
  public:
    static std::unique_ptr<Connection> connect(const Options& options, std::stop_token stop);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // All in one round trip, each its own transaction, in their order. The first error is thrown when all
    // have answered: those before and after it may stand.
    std::vector<Rows> query(const std::string& graph, std::span<const Command> commands,
                            std::stop_token stop);
    // Any Redis command.
    Value command(std::span<const std::string> words, std::stop_token stop);

    // Nothing was ever answered here since it was taken: a server that restarted meanwhile closed it.
    bool answered() const { return answered_; }
    void reused() { answered_ = false; }
    bool broken() const { return broken_; }

  private:
    Connection(int socket, Milliseconds timeout);
    void send(const std::string& bytes, TimePoint deadline);
    Value receive(int floats, TimePoint deadline);
    void wait(short events, TimePoint deadline);

    int socket_;
    const Milliseconds timeout_;
    std::unique_ptr<redisReader, void (*)(redisReader*)> reader_;
    int floats_ = -1;  // of the reply that is read now
    bool answered_ = false, broken_ = false;
    pg::Waiter waiter_;
};

// Throws StartError for a URL that can never work: rediss:// with a client library that has no TLS.
void check_url(const Options& options);

// Pure: what an error of the server means.
Failure to_failure(const ServerError& error);

}  // namespace memoir::graph
