#pragma once
// One run of memoird: start → ready → drain → exit.
//
// Threads: the caller's is the control thread; it runs an io_context with signals, timers and the watchdog
// and never blocks. A second one starts everything, waits, and drains. The engine and the reloader have their
// own. Errors end as an exit code. Thread safety: run() once, on one thread.

#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <functional>
#include <iosfwd>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>

#include "app/generations.hpp"
#include "app/observation.hpp"
#include "app/reloader.hpp"
#include "config/config.hpp"
#include "pg/pool.hpp"
#include "schema/schema.hpp"
#include "service/notify.hpp"
#include "telemetry/open_log.hpp"
#include "work/engine.hpp"

namespace memoir::pg {
class Listener;
}

namespace memoir::app {

// Exit codes that scripts rely on (sysexits.h where there is a name).
enum ExitCode { exit_ok = 0, exit_unexpected = 1, exit_usage = 64, exit_unavailable = 69, exit_config = 78 };

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
    bool with_database(const std::function<void()>& attempt_at);
    std::shared_ptr<Backends> build();
    schema::Additions examine();
    void start(const std::shared_ptr<Backends>& backends, const schema::Additions& additions);
    void listen();
    int work_until_idle();
    void drain();
    void hurry();
    int give_up(const std::string& reason);
    void cannot_start(const StartError& error);
    void tell_exit();
    void tick();  // control thread, once a second
    std::string status_line() const;
    void report_status();
    void warn_about(const std::string& problem, const std::string& hint);
    pg::Segment host_row(const std::string& nonce) const;
    pg::ConnectOptions connect_options(const char* name) const;
    bool stopping() const { return stop_.stop_requested(); }

    // Of the start. What a reload may change is asked of the generation or the engine instead.
    config::Config config_;
    const DaemonOptions options_;
    telemetry::SinkLog& log_;
    service::Notifier notifier_;
    boost::asio::io_context control_{1};  // before all that lives on it
    Observation observation_;
    std::stop_source stop_, hurry_;
    bool has_hosts_ = false;
    std::unique_ptr<pg::Pool> pool_;
    std::unique_ptr<Ground> ground_;
    Generations generations_;
    std::unique_ptr<work::Engine> engine_;
    std::unique_ptr<pg::Listener> listener_;
    mutable std::mutex
        mutex_;  // guards started_ and draining_, for the control thread's view of the members above
    bool started_ = false, draining_ = false;
    int code_ = exit_ok;
    std::optional<Reloader> reloader_;  // last: it works on all of the above
};

}  // namespace memoir::app
