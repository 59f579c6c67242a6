#pragma once
// FalkorDB as the failure rules see it: connections that are kept, and an Endpoint with its breaker around
// every round trip. A query is idempotent by the way graph/ writes them, so that one whose connection turns
// out to have been closed meanwhile is sent again, once. Thread safety: all of it. Errors: Failure.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "endpoint/endpoint.hpp"
#include "graph/connection.hpp"
#include "graph/options.hpp"
#include "telemetry/log.hpp"

namespace memoir::graph {

class Client {
  public:
    // Throws StartError for a URL that can never work.
    Client(Options options, telemetry::Log& log);

    std::vector<Rows> query(endpoint::Nature nature, std::span<const Command> commands, std::stop_token stop);
    Rows query(endpoint::Nature nature, std::string text, std::stop_token stop, int floats = -1);
    // What the operator's tools ask: "MODULE", "LIST".
    Value command(std::span<const std::string> words, std::stop_token stop);

    endpoint::Endpoint& endpoint() { return endpoint_; }
    const Options& options() const { return options_; }
    std::uint64_t round_trips() const { return round_trips_; }

  private:
    template <typename Work>
    auto with_connection(const std::stop_token& stop, Work&& work);
    std::unique_ptr<Connection> take_idle();
    void keep(std::unique_ptr<Connection> connection);

    const Options options_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Connection>> idle_;
    std::atomic<std::uint64_t> round_trips_{0};
    endpoint::Endpoint endpoint_;  // last: its probe uses the others
};

}  // namespace memoir::graph
