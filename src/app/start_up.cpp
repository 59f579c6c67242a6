#include "app/start_up.hpp"

#include "app/advice.hpp"
#include "app/host_row.hpp"
#include "app/until_idle.hpp"
#include "base/pause.hpp"
#include "base/random_id.hpp"
#include "config/duration.hpp"
#include "endpoint/endpoint.hpp"
#include "queue/hosts.hpp"
#include "schema/server.hpp"
#include "work/lease_keeper.hpp"
#include "work/retry.hpp"

namespace memoir::app {

namespace {

// While waiting for the database: how far ahead systemd is told, renewed with every try.
constexpr Milliseconds start_extension{60'000};
constexpr Milliseconds first_reconnect{250}, longest_reconnect{1'000};
// A slice is meant to take a fifth of a second; one that takes as long as this would not end either.
constexpr Milliseconds longest_duty_statement{10'000};
constexpr Milliseconds hosts_interval{60'000}, replies_interval{3'600'000};

}  // namespace

StartUp::Started StartUp::run() {
    // What this machine lacks ends the start before anything waits for another.
    const auto backends = build();
    auto& running = *started_.running;
    schema::Additions additions;
    const auto stopped = [this] {
        started_.running.reset();
        return std::move(started_);
    };
    if (!with_database([&] { additions = examine(); })) return stopped();
    running.additions = additions;
    running.ground.replies.found(additions.replies);
    for (const auto& kind : backends->unserved()) tell_unserved(kind, log_);
    notifier_.status("probing the backends");
    if (!with_database([&] { backends->prepare(stop_); }) || stop_.stop_requested()) return stopped();
    running.generations.replace(backends);
    running.engine = std::make_unique<work::Engine>(settings(additions), Backends::plan(backends),
                                                    running.pool, log_, observation_.observer());
    for (auto* endpoint : backends->endpoints())
        endpoint->on_change([engine = running.engine.get()] { engine->poke(); });
    running.engine->start();
    if (config_.worker.listen && additions.notify) listen();
    backends->watch();
    return std::move(started_);
}

// Reads models and prompts, and connects to nothing.
std::shared_ptr<Backends> StartUp::build() {
    started_.running = std::make_unique<Running>(
        connect_options("memoird"),
        pg::Pool::Observer{[&log = log_](const pg::Error& error) {
                               log.error("memoir.database.down",
                                         "database unavailable; jobs wait until it is back",
                                         {{"error", std::string(error.what())}});
                           },
                           [&log = log_] { log.info("memoir.database.up", "database available again"); }},
        config_, log_);
    auto& ground = started_.running->ground;
    ground.calls = observation_.calls();
    return std::make_shared<Backends>(config_, ground);
}

// Tries until the database has answered all of it; true when it has.
bool StartUp::with_database(const std::function<void()>& attempt_at) {
    const auto begun = Steady::now();
    told_.clear();
    for (int attempt = 1; !stop_.stop_requested(); ++attempt) {
        try {
            attempt_at();
            return true;
        } catch (const pg::Error& error) {
            if (stop_.stop_requested()) break;
            tell_away(error);
            if (patience_ && Steady::now() - begun > *patience_) {
                started_.code = give_up(log_, "the database does not answer");
                break;
            }
            pause(work::back_off(attempt, first_reconnect, longest_reconnect, random_unit()), stop_);
        }
    }
    return false;
}

void StartUp::tell_away(const pg::Error& error) {
    const std::string what = error.what();
    // What libpq itself does not take, no server will ever hear of.
    if (error.error_class() == pg::ErrorClass::other && what.starts_with("connect:"))
        throw StartError(what, "check the options in database.url and the PG… variables");
    if (told_ != what) {
        told_ = what;
        const bool refused = error.error_class() == pg::ErrorClass::permission;
        log_.warning("memoir.database.down", "waiting for the database",
                     {{"error", what},
                      {"hint", std::string(refused ? "check the user and password in database.url"
                                                   : "check database.url, and that PostgreSQL is running")}});
    }
    notifier_.status("waiting for the database: " + what);
    notifier_.extend_timeout(start_extension);
}

schema::Additions StartUp::examine() {
    const auto connection = pg::Connection::connect(connect_options("memoird"), stop_);
    connection->stop_with(stop_);
    const auto additions = schema::check(*connection, config_.database.schema);
    schema::require_protocol(additions);
    for (const auto& line : schema::advice(additions))
        log_.info("memoir.schema.advice", line, {{"hint", std::string("memoirctl schema apply")}});
    warn_of_staged_in_vain(*connection, config_, log_);
    // It would end what we still wait for, and look like a database that fails.
    const auto limit = schema::ask_server(*connection).statement_timeout;
    if (limit.count() != 0 && limit < config_.database.statement_timeout)
        advise(log_,
               "the database cancels this role's statements after " + config::format_duration(limit) +
                   ", sooner than database.statement_timeout",
               "alter role ... set statement_timeout = 0, or lower database.statement_timeout");
    return additions;
}

work::EngineSettings StartUp::settings(const schema::Additions& additions) {
    auto& running = *started_.running;
    work::EngineSettings settings;
    settings.schema = config_.database.schema;
    settings.host = config_.worker.host;
    settings.additions = additions;
    settings.duties_database = connect_options("memoird duties");
    settings.duties_database.statement_timeout =
        std::min(settings.duties_database.statement_timeout, longest_duty_statement);
    settings.duties = own_duties();
    settings.database = connect_options("memoird keeper");
    // A heartbeat that is not answered well inside the lease is as good as none.
    settings.database.statement_timeout =
        std::min(settings.database.statement_timeout, std::max(config_.worker.lease / 6, Milliseconds(250)));
    settings.database.connect_timeout = settings.database.statement_timeout;
    if (additions.hosts)
        settings.heartbeat_extra = [&running, &config = config_](const std::string& nonce) {
            const HostState state{running.engine->kinds(), running.draining,
                                  running.additions.draining_since};
            return renew_host_row(config, nonce, state, *running.generations.current());
        };
    return settings;
}

// What of the fleet's work needs parts that the engine does not know.
std::vector<work::Duty> StartUp::own_duties() {
    auto& running = *started_.running;
    std::vector<work::Duty> duties;
    if (running.additions.hosts)
        duties.push_back({"hosts", hosts_interval,
                          [&schema = config_.database.schema](pg::Connection& connection, int limit) {
                              const auto statement = queue::delete_unseen_hosts(schema, limit);
                              return connection.exec(statement).affected() == limit;
                          }});
    auto& replies = running.ground.replies;
    if (replies.present())
        duties.push_back(
            {"replies", replies_interval,
             [&replies, after = memory::Replies::Key{}](pg::Connection& connection, int limit) mutable {
                 const auto next = replies.sweep(connection, after, limit);
                 after = next.value_or(memory::Replies::Key{});
                 return next.has_value();
             }});
    return duties;
}

void StartUp::listen() {
    auto options = connect_options("memoird listener");
    if (!config_.database.listen_url.empty()) options.conninfo = config_.database.listen_url.reveal();
    auto* engine = started_.running->engine.get();
    pg::Listener::Callbacks callbacks;
    callbacks.on_notification = [engine](const std::string& payload) { engine->wake(payload); };
    callbacks.missed = [engine] { engine->wake(""); };
    callbacks.on_state = [&log = log_](pg::Listener::State state, const std::optional<pg::Error>&) {
        if (state == pg::Listener::State::not_working)
            advise(log,
                   "LISTEN does not deliver notifications (is there a transaction pooler?): polling instead",
                   "set database.listen_url to a direct connection");
    };
    started_.running->listener =
        std::make_unique<pg::Listener>(options, schema::channel(config_.database.schema), callbacks);
}

pg::ConnectOptions StartUp::connect_options(const char* name) const {
    pg::ConnectOptions options;
    options.conninfo = config_.database.url.reveal();
    options.application_name = name;
    options.statement_timeout = config_.database.statement_timeout;
    // As the keeper: loops that come back later than it cannot settle or adopt what its peers see overdue.
    options.longest_backoff = work::LeaseKeeper::longest_reconnect(config_.worker.lease);
    return options;
}

}  // namespace memoir::app
