#pragma once
// The signals that memoird answers to, as callbacks on the thread that runs the io_context: TERM and INT
// drain (the second of either is `abort`), HUP reloads, USR1 reports. SIGPIPE is ignored from here on: a peer
// that goes away is an error of a write, not the end of the process. Threads: construct and destroy on the
// io_context's thread, or while it does not run; one Signals a process.

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

class Signals {
  public:
    Signals(boost::asio::io_context& context, SignalCallbacks callbacks);
    ~Signals();  // from here on TERM, INT, HUP and USR1 do what they do by default

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace memoir::service
