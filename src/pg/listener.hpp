#pragma once
// Notifications of one channel, on a connection and a thread of its own. States:
//   disconnected  no connection; tried again with back-off (pg/backoff.hpp)
//   working       a notification that came from a second connection has arrived
//   not_working   LISTEN was accepted, but nothing arrives: a transaction pooler. Looked at again at the next
//                 self-test, with a new connection
// The self-test comes from a second connection because PgBouncer does hand a client's own notification back
// to it, within the same transaction. Callbacks run on the listener's thread, never at the same time, and
// must not throw. Errors: none reach the caller but through on_state. Thread safety: state() from any thread.

#include <atomic>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "base/clock.hpp"
#include "pg/connection.hpp"

namespace memoir::pg {

class Listener {
  public:
    enum class State { disconnected, working, not_working };

    struct Callbacks {
        std::function<void(const std::string& payload)> on_notification;
        // Each time `working` is reached: what was sent before did not arrive.
        std::function<void()> missed;
        // At each change, the first state included. The error is why, where there is one.
        std::function<void(State, const std::optional<Error>&)> on_state;
    };
    struct Timing {
        Milliseconds self_test{300'000};  // between two of them: a half-open connection costs five minutes
        Milliseconds answer{5'000};       // within which the self-test's notification has to arrive
    };

    Listener(ConnectOptions options, std::string channel, Callbacks callbacks)
        : Listener(std::move(options), std::move(channel), std::move(callbacks), Timing{}) {}
    Listener(ConnectOptions options, std::string channel, Callbacks callbacks, Timing timing);
    ~Listener();  // stops at once
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    State state() const { return state_.load(); }

  private:
    void run(const std::stop_token& stop);
    void listen(Connection& connection, const std::stop_token& stop);
    bool self_test(Connection& connection, const std::stop_token& stop);
    bool deliver(Connection& connection, std::string_view token);
    void tell(State state, const std::optional<Error>& why = std::nullopt);

    ConnectOptions options_;
    std::string channel_;
    Callbacks callbacks_;
    Timing timing_;
    std::atomic<State> state_{State::disconnected};
    bool told_ = false;    // of the listener's thread
    std::jthread thread_;  // last: joined before the rest goes
};

std::string_view to_string(Listener::State state);

}  // namespace memoir::pg
