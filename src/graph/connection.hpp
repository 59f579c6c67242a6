#pragma once
// One connection to FalkorDB, non-blocking, with a deadline over everything: name resolution, connect, TLS,
// AUTH, each round trip. A deadline or a stop closes it: its owner throws it away. hiredis reads the replies,
// within bounds (reply_reader.hpp); OpenSSL encrypts where the URL says rediss://, whatever hiredis was built
// with. Thread safety: one thread at a time.
//
// Errors are Failures: outage (refused, name), blocked (certificate), ambiguous (cut, no answer in time, an
// answer beyond bounds), cancelled, and what the table of server_errors.cpp says of the server's own.

#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/failure.hpp"
#include "graph/options.hpp"
#include "graph/reply_reader.hpp"
#include "graph/tls.hpp"
#include "graph/value.hpp"
#include "pg/waiter.hpp"

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
    void begin_tls(const std::string& host, const std::string& ca_file, TimePoint deadline);
    void log_in(const Options& options, TimePoint deadline);
    void send(const std::string& bytes, TimePoint deadline);
    void send_plain(std::string_view bytes, TimePoint deadline);
    Value receive(int floats, TimePoint deadline);
    void feed(std::string_view bytes, TimePoint deadline);
    std::string_view receive_plain(std::span<char> buffer, TimePoint deadline);
    Failure cut() const;
    void wait(short events, TimePoint deadline);

    int socket_;
    const Milliseconds timeout_;
    std::unique_ptr<Tls> tls_;  // none: plain
    ReplyReader reader_;
    bool answered_ = false, broken_ = false;
    pg::Waiter waiter_;
};

}  // namespace memoir::graph
