#include "graph/client.hpp"

#include <array>
#include <utility>

namespace memoir::graph {

namespace {
// More than that many loops are never inside the graph for long.
constexpr std::size_t most_idle = 8;
}  // namespace

template <typename Work>
auto Client::with_connection(const std::stop_token& stop, Work&& work) {
    if (auto connection = take_idle()) {
        try {
            auto result = work(*connection);
            keep(std::move(connection));
            return result;
        } catch (const Failure& failure) {
            const bool was_closed = failure.type() == FailureType::ambiguous && !connection->answered();
            if (!was_closed) {
                keep(std::move(connection));
                throw;
            }
            // The others are as old.
            std::lock_guard lock(mutex_);
            idle_.clear();
        }
    }
    auto connection = Connection::connect(options_, stop);
    try {
        auto result = work(*connection);
        keep(std::move(connection));
        return result;
    } catch (const Failure&) {
        keep(std::move(connection));
        throw;
    }
}

Client::Client(Options options, telemetry::Log& log)
    : options_(std::move(options)),
      endpoint_(
          {"graph", 0, "graph.url, graph.user, graph.password_file, graph.ca_file"},
          [this](endpoint::Nature nature, std::stop_token stop) {
              // A node that no query of ours sees, and that is gone with its query: a replica refuses it.
              const bool writes = nature == endpoint::Nature::write;
              const Command one{writes ? "CREATE (p:MemoirdProbe) DELETE p" : "RETURN 1", -1};
              with_connection(stop, [&](Connection& connection) {
                  return connection.query(options_.name, std::span(&one, 1), stop);
              });
          },
          log) {}

std::unique_ptr<Connection> Client::take_idle() {
    std::lock_guard lock(mutex_);
    if (idle_.empty()) return nullptr;
    auto connection = std::move(idle_.back());
    idle_.pop_back();
    connection->reused();
    return connection;
}

void Client::keep(std::unique_ptr<Connection> connection) {
    std::lock_guard lock(mutex_);
    if (!connection->broken() && idle_.size() < most_idle) idle_.push_back(std::move(connection));
}

std::vector<Rows> Client::query(endpoint::Nature nature, std::span<const Command> commands,
                                std::stop_token stop) {
    return endpoint_.call_for(nature, stop, [&] {
        ++round_trips_;
        return with_connection(
            stop, [&](Connection& connection) { return connection.query(options_.name, commands, stop); });
    });
}

Rows Client::query(endpoint::Nature nature, std::string text, std::stop_token stop, int floats) {
    const Command command{std::move(text), floats};
    return std::move(query(nature, std::span(&command, 1), std::move(stop)).front());
}

Value Client::command(std::span<const std::string> words, std::stop_token stop) {
    return endpoint_.call_for(endpoint::Nature::read, stop, [&] {
        return with_connection(stop, [&](Connection& connection) { return connection.command(words, stop); });
    });
}

}  // namespace memoir::graph
