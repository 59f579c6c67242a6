#pragma once
// One run of memoird: start → ready → drain → exit.
//
// Threads: the caller's is the control thread; it runs an io_context with signals, timers and the watchdog
// and never blocks. A second one starts everything, waits, and drains. The engine and the reloader have their
// own. Thread safety: run() once, on one thread. Failures: end as an exit code.

#include <boost/asio/io_context.hpp>
#include <functional>
#include <iosfwd>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>

#include "app/exit_code.hpp"
#include "app/observation.hpp"
#include "app/reloader.hpp"
#include "app/running.hpp"
#include "config/config.hpp"
#include "service/notify.hpp"
#include "telemetry/open_log.hpp"

namespace memoir::app {

struct DaemonOptions {
    bool until_idle = false;
    // Reads the configuration again (SIGHUP).
    std::function<config::Loaded()> reload;
    // until_idle gives up when nothing could be done for so long (docs/interface.md, "memoird").
    Milliseconds patience{60'000};
    // Where to say, besides in the log, why a start failed; null: nowhere. journald cannot name the unit of
    // an entry when it comes to it after the process has ended; of a line on standard error it can.
    std::ostream* last_words = nullptr;
};

class Daemon {
  public:
    Daemon(config::Config config, DaemonOptions options, telemetry::SinkLog& log);
    ~Daemon();
    int run();

  private:
    void body();
    void start();
    void work();
    void drain();
    void hurry();
    std::optional<std::string> reread(const std::string& conninfo) const;
    void cannot_start(const StartError& error);
    void tell_exit();
    void tick();                     // control thread, once a second
    const Running* running() const;  // null: not started yet
    std::string status() const;
    bool stopping() const { return stop_.stop_requested(); }

    // Of the start. What a reload may change is asked of the generation or the engine instead.
    config::Config config_;
    const DaemonOptions options_;
    telemetry::SinkLog& log_;
    service::Notifier notifier_;
    boost::asio::io_context control_{1};  // before all that lives on it
    Observation observation_;
    std::stop_source stop_, hurry_;
    mutable std::mutex mutex_;  // guards the pointer, which is set once, and draining_
    std::unique_ptr<Running> running_;
    bool draining_ = false;
    int code_ = exit_ok;
    std::optional<Reloader> reloader_;  // last: it works on all of the above
};

}  // namespace memoir::app
