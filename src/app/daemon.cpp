#include "app/daemon.hpp"

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <ostream>

#include "app/host_row.hpp"
#include "app/start_up.hpp"
#include "app/status_report.hpp"
#include "app/until_idle.hpp"
#include "base/join.hpp"
#include "pg/credentials.hpp"
#include "pg/error.hpp"
#include "service/signals.hpp"
#include "service/start_up_code.hpp"

namespace memoir::app {

namespace {

constexpr Milliseconds tick_interval{1'000};
// Past the drain's own time-out: cancelling, releasing, stopping threads.
constexpr Milliseconds drain_slack{20'000};
constexpr Milliseconds flush_wait{2'000};

std::string machine_name() {
    char name[256] = {};
    gethostname(name, sizeof name - 1);
    std::string host = name[0] ? name : "localhost";
    // Separators of claimed_by.
    for (auto& character : host)
        if (character == '/' || character == ':') character = '-';
    return host;
}

}  // namespace

Daemon::Daemon(config::Config config, DaemonOptions options, telemetry::SinkLog& log)
    : config_(std::move(config)), options_(std::move(options)), log_(log), observation_(log) {
    if (config_.worker.host.empty()) config_.worker.host = machine_name();
    if (!options_.reload) return;
    pg::Credentials::shared().source([this](const std::string& conninfo) { return reread(conninfo); });
    const auto load = [this] {
        pg::Credentials::shared().renew(config_.database.url.reveal());
        auto loaded = options_.reload();
        if (loaded.config.worker.host.empty()) loaded.config.worker.host = machine_name();
        return loaded;
    };
    reloader_.emplace(
        load, [this] { return status(); }, log_, notifier_);
}

Daemon::~Daemon() {
    pg::Credentials::shared().source({});
    reloader_.reset();
}

// What the configuration, or the file that it names, says by now in place of a connection string of the
// start.
std::optional<std::string> Daemon::reread(const std::string& conninfo) const {
    try {
        const auto now = options_.reload().config.database;
        const auto& listen = config_.database.listen_url;
        const bool listens = !listen.empty() && conninfo == listen.reveal();
        return listens ? now.listen_url.reveal() : now.url.reveal();
    } catch (const std::exception&) {
        return std::nullopt;  // a file with problems changes nothing; the reload tells of it
    }
}

int Daemon::run() {
    service::Signals signals(control_, {.drain = [this] { stop_.request_stop(); },
                                        .abort = [this] { hurry(); },
                                        .reload =
                                            [this] {
                                                // Its time is over once the drain has begun.
                                                if (reloader_ && !stopping()) reloader_->request();
                                            },
                                        .status =
                                            [this] {
                                                if (const auto* now = running()) report_status(*now, log_);
                                            }});
    try {
        observation_.serve(control_, config_.metrics, config_.worker.host, config_.database.schema);
    } catch (const StartError& error) {
        cannot_start(error);
        tell_exit();
        return code_;
    }
    boost::asio::steady_timer timer(control_);
    std::function<void()> arm = [&] {
        timer.expires_after(tick_interval);
        timer.async_wait([&](const boost::system::error_code& error) {
            if (error) return;
            tick();
            arm();
        });
    };
    arm();
    std::jthread work([&] {
        body();
        boost::asio::post(control_, [&] {
            observation_.stop();
            control_.stop();
        });
    });
    try {
        control_.run();
    } catch (const std::exception& error) {
        log_.error("memoir.worker.aborted", "an unexpected error ends memoird",
                   {{"error", std::string(typeid(error).name())}});
        code_ = exit_unexpected;
        hurry();
    }
    work.join();
    tell_exit();
    return code_;
}

void Daemon::cannot_start(const StartError& error) {
    log_.error("memoir.worker.aborted", error.problem(), {{"hint", error.hint()}});
    if (options_.last_words)
        *options_.last_words << "memoird: " << error.problem() << "\nHINT: " << error.hint() << std::endl;
    notifier_.status("cannot start: " + error.problem());
    code_ = exit_config;
}

void Daemon::tell_exit() {
    log_.info("memoir.worker.exited", "memoird exits", {{"exit_code", static_cast<std::int64_t>(code_)}});
    log_.flush(flush_wait);
}

void Daemon::body() {
    try {
        start();
        if (!running_) {
            if (stopping()) notifier_.stopping("stopping during start-up", drain_slack);
            return;
        }
        work();
        drain();
    } catch (const StartError& error) {
        cannot_start(error);
    } catch (const std::exception& error) {
        // The edge of the process: nothing is known about it but its type.
        const auto* failure = dynamic_cast<const pg::Error*>(&error);
        log_.error("memoir.worker.aborted", "an unexpected error ends memoird",
                   {{"error", failure ? std::string(error.what()) : std::string(typeid(error).name())}});
        code_ = exit_unexpected;
    }
}

void Daemon::start() {
    const auto patience = options_.until_idle ? std::optional(options_.patience) : std::nullopt;
    auto started = StartUp(config_, log_, notifier_, observation_, patience, stop_.get_token()).run();
    code_ = started.code;
    if (!started.running) return;
    {
        std::lock_guard lock(mutex_);
        running_ = std::move(started.running);
    }
    observation_.watch(*running_->engine, running_->generations, running_->pool, config_.database.schema,
                       running_->additions.pending_index && running_->additions.failed_index);
    log_.info("memoir.worker.started", "memoird is ready",
              {{"version", std::string(MEMOIRD_VERSION)},
               {"process", running_->engine->process()},
               {"schema", config_.database.schema},
               {"kinds", join(running_->engine->kinds())}});
    notifier_.ready(status());
    if (reloader_) reloader_->ready(running_->ground, running_->generations, *running_->engine);
    service::release_start_up_code();
}

void Daemon::work() {
    if (options_.until_idle) {
        code_ = work_until_idle(*running_->engine, options_.patience, log_, stop_.get_token());
        return;
    }
    std::mutex mutex;
    std::condition_variable_any condition;
    std::unique_lock lock(mutex);
    condition.wait(lock, stop_.get_token(), [] { return false; });
}

// The second signal: what still runs is not waited for.
void Daemon::hurry() {
    log_.warning("memoir.worker.aborted", "second signal received: running jobs are released at once");
    stop_.request_stop();
    hurry_.request_stop();
}

void Daemon::drain() {
    {
        std::lock_guard lock(mutex_);
        draining_ = true;
    }
    auto& engine = *running_->engine;
    running_->draining = true;
    observation_.draining();
    if (reloader_) reloader_->stop();
    notifier_.stopping("draining", engine.plan()->options.drain_timeout + drain_slack);
    running_->generations.unwatch();
    running_->listener.reset();
    const auto drained = engine.drain(hurry_.get_token());
    // From here on no plan comes any more, whatever a reload under way was about to do.
    if (reloader_ && drained != work::Engine::Drained::stuck) reloader_->finish();
    if (running_->additions.hosts) remove_host_row(running_->pool, config_.database.schema, engine.nonce());
    const auto outcome = drained == work::Engine::Drained::finished ? "drained" : "timeout";
    log_.info("memoir.worker.shutdown",
              drained == work::Engine::Drained::finished ? "drained: all running jobs were finished"
                                                         : "jobs that were still running were released",
              {{"outcome", std::string(outcome)},
               {"succeeded", static_cast<std::int64_t>(engine.tally().succeeded)},
               {"released", static_cast<std::int64_t>(engine.tally().released)}});
    if (drained == work::Engine::Drained::stuck) {
        // A thread does not come back from a call that cannot be cancelled; its rows are handed back.
        tell_exit();
        _exit(code_);
    }
}

void Daemon::tick() {
    const Running* running = nullptr;
    {
        std::lock_guard lock(mutex_);
        if (!draining_) running = running_.get();
    }
    if (running) {
        notifier_.status(status_line(*running));
        if (running->engine->stuck() > 0) return;  // no watchdog: systemd restarts what no cancel reaches
    }
    notifier_.watchdog();
}

// The pointer is set once, and what it points to lives until the end.
const Running* Daemon::running() const {
    std::lock_guard lock(mutex_);
    return running_.get();
}

std::string Daemon::status() const {
    const auto* now = running();
    return now ? status_line(*now) : "starting";
}

}  // namespace memoir::app
