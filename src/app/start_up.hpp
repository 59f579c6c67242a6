#pragma once
// From a configuration to a memoird at work: builds the backends, waits for the database, examines its
// schema, tries the backends, starts the engine and the listener. Owns nothing once run() has returned.
// Threads: run() blocks its caller's, until the stop is requested at the latest. Thread safety: run() once,
// on one thread. Failures: StartError for what can never work; what only is not there yet is waited for.

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>

#include "app/exit_code.hpp"
#include "app/observation.hpp"
#include "app/running.hpp"
#include "config/config.hpp"
#include "schema/schema.hpp"
#include "service/notify.hpp"
#include "telemetry/sink_log.hpp"

namespace memoir::app {

class StartUp {
  public:
    // patience: how long the database may stay away; none: as long as it takes. All of it outlives what run()
    // returns.
    StartUp(const config::Config& config, telemetry::SinkLog& log, service::Notifier& notifier,
            Observation& observation, std::optional<Milliseconds> patience, std::stop_token stop)
        : config_(config),
          log_(log),
          notifier_(notifier),
          observation_(observation),
          patience_(patience),
          stop_(std::move(stop)) {}

    struct Started {
        std::unique_ptr<Running> running;  // null: stopped before it was complete, or out of patience
        ExitCode code = exit_ok;
    };
    Started run();

  private:
    std::shared_ptr<Backends> build();
    bool with_database(const std::function<void()>& attempt_at);
    void tell_away(const pg::Error& error);
    schema::Additions examine();
    work::EngineSettings settings(const schema::Additions& additions);
    std::vector<work::Duty> own_duties();
    void listen();
    pg::ConnectOptions connect_options(const char* name) const;

    const config::Config& config_;
    telemetry::SinkLog& log_;
    service::Notifier& notifier_;
    Observation& observation_;
    const std::optional<Milliseconds> patience_;
    const std::stop_token stop_;
    std::string told_;  // the last failure of the database that was logged
    Started started_;
};

}  // namespace memoir::app
