#include "service/signals.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <utility>

namespace memoir::service {

struct Signals::State : std::enable_shared_from_this<Signals::State> {
    State(boost::asio::io_context& context, SignalCallbacks given)
        : signals(context, SIGTERM, SIGINT, SIGHUP), callbacks(std::move(given)) {
        signals.add(SIGUSR1);
    }

    // The handler keeps the state alive; a destroyed Signals has cancelled it.
    void wait() {
        signals.async_wait([self = shared_from_this()](const boost::system::error_code& error, int number) {
            if (error) return;
            self->wait();
            self->dispatch(number);
        });
    }

    void dispatch(int number) {
        if (number == SIGHUP)
            callbacks.reload();
        else if (number == SIGUSR1)
            callbacks.status();
        else if (!std::exchange(draining, true))
            callbacks.drain();
        else
            callbacks.abort();
    }

    boost::asio::signal_set signals;
    SignalCallbacks callbacks;
    bool draining = false;
};

Signals::Signals(boost::asio::io_context& context, SignalCallbacks callbacks)
    : state_(std::make_shared<State>(context, std::move(callbacks))) {
    std::signal(SIGPIPE, SIG_IGN);
    state_->wait();
}

Signals::~Signals() {
    state_->signals.clear();
    state_->signals.cancel();  // clear() leaves the wait pending, and with it the context busy
}

}  // namespace memoir::service
