#pragma once
// The signals that memoird handles, as callbacks on the thread that runs the io_context: TERM and INT drain
// (a second one of either calls `abort`), HUP reloads, USR1 reports. SIGPIPE is ignored from here on: a peer
// that hangs up makes a write fail and does not end the process. Threads: construct and destroy on the
// io_context's thread, or while it is not running; one Signals per process.

#include <functional>
#include <memory>

namespace boost::asio {
class io_context;
}

namespace memoir::service {

struct SignalCallbacks {
    std::function<void()> drain;   // the first TERM or INT
    std::function<void()> abort;   // each further one
    std::function<void()> reload;  // HUP
    std::function<void()> status;  // USR1
};

// Ends the process with 0 at a TERM or INT that comes before Signals are there. Process 1 of a container
// needs it: the kernel keeps from it what has no handler, and a runtime would wait for its whole grace
// period.
void end_by_signal_until_ready();

class Signals {
  public:
    Signals(boost::asio::io_context& context, SignalCallbacks callbacks);
    ~Signals();  // restores the default actions of TERM, INT, HUP and USR1

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace memoir::service
