#include "app/daemon.hpp"

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <ostream>

#include "app/advice.hpp"
#include "base/pause.hpp"
#include "base/random_id.hpp"
#include "config/duration.hpp"
#include "endpoint/endpoint.hpp"
#include "endpoint/trouble.hpp"
#include "pg/listener.hpp"
#include "queue/hosts.hpp"
#include "queue/probe.hpp"
#include "schema/server.hpp"
#include "service/signals.hpp"
#include "service/start_up_code.hpp"
#include "work/lease_keeper.hpp"
#include "work/retry.hpp"

namespace memoir::app {

namespace {

using telemetry::Field;

constexpr Milliseconds tick_interval{1'000};
// While waiting for the database or draining: how far ahead systemd is told, renewed with every try.
constexpr Milliseconds start_extension{60'000};
constexpr Milliseconds first_reconnect{250}, longest_reconnect{5'000};
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

std::string join(const std::vector<std::string>& list) {
    std::string text;
    for (const auto& item : list) text += (text.empty() ? "" : ", ") + item;
    return text;
}

}  // namespace

Daemon::Daemon(config::Config config, DaemonOptions options, telemetry::SinkLog& log)
    : config_(std::move(config)), options_(std::move(options)), log_(log), observation_(log) {
    if (config_.worker.host.empty()) config_.worker.host = machine_name();
    if (!options_.reload) return;
    const auto load = [this] {
        auto loaded = options_.reload();
        if (loaded.config.worker.host.empty()) loaded.config.worker.host = machine_name();
        return loaded;
    };
    reloader_.emplace(
        load, [this] { return status_line(); }, log_, notifier_);
}

Daemon::~Daemon() {
    reloader_.reset();
    // Probes wake the engine, which goes before the backends do.
    generations_.unwatch();
}

int Daemon::run() {
    service::Signals signals(control_, {.drain = [this] { stop_.request_stop(); },
                                        .abort = [this] { hurry(); },
                                        .reload =
                                            [this] {
                                                // Its time is over once the drain has begun.
                                                if (reloader_ && !stopping()) reloader_->request();
                                            },
                                        .status = [this] { report_status(); }});
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
    log_.info("memoir.worker.exited", "memoird ends", {{"exit_code", static_cast<std::int64_t>(code_)}});
    log_.flush(flush_wait);
}

void Daemon::body() {
    try {
        // What this machine lacks ends the start before anything waits for another.
        const auto backends = build();
        schema::Additions additions;
        if (with_database([&] { additions = examine(); })) start(backends, additions);
        if (!engine_ && stopping()) notifier_.stopping("stopping during the start", drain_slack);
        if (engine_) {
            if (options_.until_idle) {
                code_ = work_until_idle();
            } else {
                std::mutex mutex;
                std::condition_variable_any condition;
                std::unique_lock lock(mutex);
                condition.wait(lock, stop_.get_token(), [] { return false; });
            }
            drain();
        }
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

pg::ConnectOptions Daemon::connect_options(const char* name) const {
    pg::ConnectOptions options;
    options.conninfo = config_.database.url.reveal();
    options.application_name = name;
    options.statement_timeout = config_.database.statement_timeout;
    // As the keeper: loops that come back later than it cannot settle or adopt what its peers see overdue.
    options.longest_backoff = work::LeaseKeeper::longest_reconnect(config_.worker.lease);
    return options;
}

// Tries until the database has answered all of it; true when it has. With --until-idle for a minute.
bool Daemon::with_database(const std::function<void()>& attempt_at) {
    const auto begun = Steady::now();
    std::string told;
    for (int attempt = 1; !stopping(); ++attempt) {
        try {
            attempt_at();
            return true;
        } catch (const pg::Error& error) {
            if (stopping()) break;
            // What libpq itself does not take, no server will ever hear of.
            if (error.error_class() == pg::ErrorClass::other &&
                std::string_view(error.what()).starts_with("connect:"))
                throw StartError(error.what(), "check the options in database.url and the PG… variables");
            if (told != error.what()) {
                told = error.what();
                const bool refused = error.error_class() == pg::ErrorClass::permission;
                log_.warning(
                    "memoir.database.down", "waiting for the database",
                    {{"error", told},
                     {"hint", std::string(refused ? "check the user and password in database.url"
                                                  : "check database.url, and that PostgreSQL runs")}});
            }
            notifier_.status("waiting for the database: " + told);
            notifier_.extend_timeout(start_extension);
            if (options_.until_idle && Steady::now() - begun > options_.patience) {
                code_ = give_up("the database does not answer");
                break;
            }
            pause(work::back_off(attempt, first_reconnect, longest_reconnect, random_unit()),
                  stop_.get_token());
        }
    }
    return false;
}

schema::Additions Daemon::examine() {
    const auto connection = pg::Connection::connect(connect_options("memoird"), stop_.get_token());
    connection->stop_with(stop_.get_token());
    const auto additions = schema::check(*connection, config_.database.schema);
    schema::require_protocol(additions);
    for (const auto& line : schema::advice(additions))
        log_.info("memoir.schema.advice", line, {{"hint", std::string("memoirctl schema apply")}});
    warn_of_staged_in_vain(*connection, config_, log_);
    // It would end what we still wait for, and look like a database that fails.
    const auto limit = schema::ask_server(*connection).statement_timeout;
    if (limit.count() != 0 && limit < config_.database.statement_timeout)
        warn_about("the database ends this role's statements after " + config::format_duration(limit) +
                       ", sooner than database.statement_timeout",
                   "alter role ... set statement_timeout = 0, or lower database.statement_timeout");
    return additions;
}

// Reads models and prompts, and connects to nothing.
std::shared_ptr<Backends> Daemon::build() {
    pool_ = std::make_unique<pg::Pool>(
        connect_options("memoird"), config_.database.pool,
        pg::Pool::Observer{[this](const pg::Error& error) {
                               log_.error("memoir.database.down", "the database is away; work waits for it",
                                          {{"error", std::string(error.what())}});
                           },
                           [this] { log_.info("memoir.database.up", "the database answers"); }});
    ground_ = std::make_unique<Ground>(*pool_, log_, config_.database.schema);
    ground_->calls = observation_.calls();
    return std::make_shared<Backends>(config_, *ground_);
}

void Daemon::start(const std::shared_ptr<Backends>& backends, const schema::Additions& additions) {
    has_hosts_ = additions.hosts;
    ground_->replies.found(additions.replies);
    for (const auto& kind : backends->unserved()) tell_unserved(kind, log_);
    notifier_.status("trying the backends");
    if (!with_database([&] { backends->prepare(stop_.get_token()); }) || stopping()) return;
    generations_.replace(backends);

    work::EngineSettings settings;
    settings.schema = config_.database.schema;
    settings.host = config_.worker.host;
    settings.indexed = additions.pending_index;
    settings.pauses = additions.pauses;
    settings.database = connect_options("memoird keeper");
    // A heartbeat that is not answered well inside the lease is as good as none.
    settings.database.statement_timeout =
        std::min(settings.database.statement_timeout, std::max(config_.worker.lease / 6, Milliseconds(250)));
    settings.database.connect_timeout = settings.database.statement_timeout;
    if (has_hosts_) settings.heartbeat_extra = [this](const std::string& nonce) { return host_row(nonce); };
    settings.tick = [this, indexed = additions.pending_index && additions.failed_index] {
        observation_.tick(*pool_, config_.database.schema, indexed);
    };
    engine_ = std::make_unique<work::Engine>(std::move(settings), Backends::plan(backends), *pool_, log_,
                                             observation_.observer());
    observation_.watch(*engine_, generations_, *pool_);
    for (auto* endpoint : backends->endpoints()) endpoint->on_change([this] { engine_->poke(); });
    engine_->start();
    if (config_.worker.listen && additions.notify) listen();
    backends->watch();
    log_.info("memoir.worker.started", "memoird is ready",
              {{"version", std::string(MEMOIRD_VERSION)},
               {"process", engine_->process()},
               {"schema", config_.database.schema},
               {"kinds", join(engine_->kinds())}});
    {
        std::lock_guard lock(mutex_);
        started_ = true;
    }
    notifier_.ready(status_line());
    if (reloader_) reloader_->ready(*ground_, generations_, *engine_);
    service::release_start_up_code();
}

void Daemon::listen() {
    auto options = connect_options("memoird listener");
    if (!config_.database.listen_url.empty()) options.conninfo = config_.database.listen_url.reveal();
    pg::Listener::Callbacks callbacks;
    callbacks.on_notification = [this](const std::string& payload) { engine_->wake(payload); };
    callbacks.missed = [this] { engine_->wake(""); };
    callbacks.on_state = [this](pg::Listener::State state, const std::optional<pg::Error>&) {
        if (state == pg::Listener::State::not_working)
            warn_about("LISTEN delivers nothing here (a transaction pooler?): polling instead",
                       "set database.listen_url to a direct connection");
    };
    listener_ = std::make_unique<pg::Listener>(options, schema::channel(config_.database.schema), callbacks);
}

// The second signal: what still runs is not waited for.
void Daemon::hurry() {
    log_.warning("memoir.worker.aborted", "a second signal: what still runs is handed back at once");
    stop_.request_stop();
    hurry_.request_stop();
}

int Daemon::give_up(const std::string& reason) {
    log_.error("memoir.worker.aborted", "nothing could be done for a minute; --until-idle gives up",
               {{"reason", reason}});
    return exit_unavailable;
}

int Daemon::work_until_idle() {
    auto useful = Steady::now();
    auto answered = useful;
    std::uint64_t before = 0;
    while (!stopping()) {
        try {
            const auto left = engine_->remaining();
            answered = Steady::now();
            if (left.none() && engine_->in_hand() == 0)
                return engine_->tally().failed > 0 ? exit_unexpected : exit_ok;
            const auto& tally = engine_->tally();
            const auto done = tally.succeeded + tally.retried + tally.failed;
            bool all_behind_breakers = !left.ours;
            const auto plan = engine_->plan();
            for (const auto& [kind, waiting] : left.kinds)
                all_behind_breakers &= plan->registry.contains(kind) && !plan->takes_work(kind);
            if (!all_behind_breakers || done != before) useful = answered;
            before = done;
        } catch (const pg::Error&) {
            // Counted as not answered.
        }
        const auto now = Steady::now();
        if (now - answered > options_.patience) return give_up("the database does not answer");
        if (now - useful > options_.patience)
            return give_up("every row left waits for a backend that is away");
        pause(std::min(engine_->plan()->options.poll_interval, Milliseconds(250)), stop_.get_token());
    }
    return exit_ok;
}

void Daemon::drain() {
    {
        std::lock_guard lock(mutex_);
        draining_ = true;
    }
    observation_.draining();
    if (reloader_) reloader_->stop();
    notifier_.stopping("draining", engine_->plan()->options.drain_timeout + drain_slack);
    generations_.unwatch();
    listener_.reset();
    const auto drained = engine_->drain(hurry_.get_token());
    // From here on no plan comes any more, whatever a reload under way was about to do.
    if (reloader_ && drained != work::Engine::Drained::stuck) reloader_->finish();
    if (has_hosts_) {
        try {
            auto connection = pool_->acquire({}, Milliseconds(1'000));
            const auto statement = queue::delete_host(config_.database.schema, engine_->nonce());
            connection->set_timeout(Milliseconds(1'000));
            connection->exec(statement);
            connection->set_timeout(Milliseconds(0));
        } catch (const pg::Error&) {
            // It disappears by itself after a day; nobody takes it for alive without a heartbeat.
        }
    }
    const auto outcome = drained == work::Engine::Drained::finished ? "drained" : "timeout";
    log_.info("memoir.worker.shutdown",
              drained == work::Engine::Drained::finished ? "drained: everything that ran was finished"
                                                         : "what still ran was handed back",
              {{"outcome", std::string(outcome)},
               {"succeeded", static_cast<std::int64_t>(engine_->tally().succeeded)},
               {"released", static_cast<std::int64_t>(engine_->tally().released)}});
    if (drained == work::Engine::Drained::stuck) {
        // A thread does not come back from a call that cannot be cancelled; its rows are handed back.
        tell_exit();
        _exit(code_);
    }
}

void Daemon::tick() {
    bool running = false;
    {
        std::lock_guard lock(mutex_);
        running = started_ && !draining_;
    }
    if (running) {
        notifier_.status(status_line());
        if (engine_->stuck() > 0) return;  // no watchdog: systemd restarts what no cancel reaches
    }
    notifier_.watchdog();
}

std::string Daemon::status_line() const {
    if (!engine_) return "starting";
    const auto& tally = engine_->tally();
    std::string line = std::to_string(engine_->in_hand()) + " in hand, " + std::to_string(tally.succeeded) +
                       " done, " + std::to_string(tally.failed) + " failed";
    const auto backends = generations_.current();
    for (const auto* endpoint : backends->endpoints())
        if (const auto trouble = endpoint::trouble(endpoint->snapshot()); !trouble.empty())
            line += "; " + trouble;
    return line;
}

void Daemon::report_status() {
    std::vector<Field> fields;
    {
        std::lock_guard lock(mutex_);
        if (!started_) return;
    }
    const auto& tally = engine_->tally();
    const auto add = [&](std::string_view key, std::uint64_t value) {
        fields.push_back({key, static_cast<std::int64_t>(value)});
    };
    add("in_hand", engine_->in_hand());
    add("claimed", tally.claimed);
    add("succeeded", tally.succeeded);
    add("retried", tally.retried);
    add("failed", tally.failed);
    add("parked", tally.parked);
    add("released", tally.released);
    add("recovered", tally.recovered);
    log_.info("memoir.worker.status", status_line(), std::move(fields));
    for (const auto& activity : engine_->activities())
        log_.info("memoir.worker.status", "a loop at work",
                  {{"worker", activity.worker},
                   {"kind", activity.kind},
                   {"jobs", static_cast<std::int64_t>(activity.jobs)},
                   {"since_ms", static_cast<std::int64_t>(activity.since.count())}});
}

void Daemon::warn_about(const std::string& problem, const std::string& hint) {
    log_.warning("memoir.worker.advice", problem, {{"hint", hint}});
}

pg::Segment Daemon::host_row(const std::string& nonce) const {
    std::vector<endpoint::Snapshot> snapshots;
    const auto backends = generations_.current();
    for (const auto* endpoint : backends->endpoints()) snapshots.push_back(endpoint->snapshot());
    queue::Host host;
    host.nonce = nonce;
    host.host = config_.worker.host;
    host.pid = getpid();
    host.version = MEMOIRD_VERSION;
    host.kinds = engine_ ? engine_->kinds() : std::vector<std::string>{};
    host.endpoints = queue::endpoints_json(snapshots);
    return {queue::upsert_host(config_.database.schema, host),
            queue::delete_unseen_hosts(config_.database.schema)};
}

}  // namespace memoir::app
