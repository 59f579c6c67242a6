#include "service/signals.hpp"

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <utility>

namespace memoir::service {

void end_by_signal_until_ready() {
    if (getpid() != 1) return;
    for (const int signal : {SIGTERM, SIGINT}) std::signal(signal, [](int) { _exit(0); });
}

struct Signals::State : std::enable_shared_from_this<Signals::State> {
    State(boost::asio::io_context& context, SignalCallbacks given)
        : signals(context, SIGTERM, SIGINT, SIGHUP), callbacks(std::move(given)) {
        signals.add(SIGUSR1);
    }

    // The handler keeps the state alive; the destructor of Signals cancels it.
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
    state_->signals.cancel();  // clear() would leave the wait pending, and the context busy
}

}  // namespace memoir::service
