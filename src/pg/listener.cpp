#include "pg/listener.hpp"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/random_id.hpp"
#include "pg/backoff.hpp"

namespace memoir::pg {
namespace {

// Other daemons on the channel test themselves too: nobody takes such a payload for news.
constexpr std::string_view test_prefix = "memoird-self-test ";

// A channel is an identifier; the letters of schema names need no more than this, but others stay harmless.
std::string quoted_name(const std::string& identifier) {
    std::string text = "\"";
    for (const char letter : identifier) {
        if (letter == '"') text += '"';
        text += letter;
    }
    return text + '"';
}

void pause(Milliseconds duration, const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, duration, [] { return false; });
}

}  // namespace

std::string_view to_string(Listener::State state) {
    switch (state) {
        case Listener::State::disconnected:
            return "disconnected";
        case Listener::State::working:
            return "working";
        case Listener::State::not_working:
            return "not_working";
    }
    return "unknown";
}

Listener::Listener(ConnectOptions options, std::string channel, Callbacks callbacks, Timing timing)
    : options_(std::move(options)),
      channel_(std::move(channel)),
      callbacks_(std::move(callbacks)),
      timing_(timing),
      thread_([this](std::stop_token stop) { run(stop); }) {}

Listener::~Listener() = default;

void Listener::run(const std::stop_token& stop) {
    int failures = 0;
    while (!stop.stop_requested()) {
        try {
            const auto connection = Connection::connect(options_, stop);
            connection->exec("listen " + quoted_name(channel_), {}, stop);
            bool worked = false;
            while (self_test(*connection, stop)) {
                worked = true;
                failures = 0;
                listen(*connection, stop);
            }
            if (stop.stop_requested()) return;
            // What worked before is a connection that died silently: a new one may work at once.
            if (worked) throw Error(ErrorClass::connection, "", "the self-test did not arrive");
            tell(State::not_working);
            pause(timing_.self_test, stop);
        } catch (const Error& error) {
            if (stop.stop_requested()) return;
            tell(State::disconnected, error);
            pause(backoff(++failures, random_unit()), stop);
        }
    }
}

// Delivers until the next self-test is due. Throws when the connection is lost.
void Listener::listen(Connection& connection, const std::stop_token& stop) {
    const auto due = Steady::now() + timing_.self_test;
    while (connection.wait_readable(due, stop) == Waiter::Woken::ready) deliver(connection, "");
}

// True: the notification that we sent has arrived. False: not in time, or a stop.
bool Listener::self_test(Connection& connection, const std::stop_token& stop) {
    if (stop.stop_requested()) return false;
    const auto token = std::string(test_prefix) + random_nonce();
    Connection::connect(options_, stop)
        ->exec("select pg_notify($1, $2)", Params().add(channel_).add(token), stop);
    const auto deadline = Steady::now() + timing_.answer;
    bool arrived = deliver(connection, token);  // what LISTEN's own answer brought along
    while (!arrived && connection.wait_readable(deadline, stop) == Waiter::Woken::ready)
        arrived = deliver(connection, token);
    if (arrived && (!told_ || state() != State::working)) {
        tell(State::working);
        if (callbacks_.missed) callbacks_.missed();
    }
    return arrived;
}

// Passes on what has arrived; true when `token` was among it.
bool Listener::deliver(Connection& connection, std::string_view token) {
    bool found = false;
    for (const auto& notification : connection.notifications()) {
        if (notification.payload.starts_with(test_prefix))
            found = found || notification.payload == token;
        else if (callbacks_.on_notification)
            callbacks_.on_notification(notification.payload);
    }
    return found;
}

void Listener::tell(State state, const std::optional<Error>& why) {
    if (told_ && state_ == state) return;
    told_ = true;
    state_ = state;
    if (callbacks_.on_state) callbacks_.on_state(state, why);
}

}  // namespace memoir::pg
