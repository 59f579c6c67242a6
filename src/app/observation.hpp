#pragma once
// What a running memoird shows to those who look: Prometheus metrics, /healthz and /readyz. Counts what the
// engine tells; reads the rest when it is asked. The queue's depth is read on the scout's tick, never more
// than once in 5 s. Thread safety: construct, serve and stop on the control thread; observer and tick from
// any thread.

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "app/backends.hpp"
#include "http/server.hpp"
#include "pg/pool.hpp"
#include "telemetry/metrics.hpp"
#include "telemetry/metrics_options.hpp"
#include "telemetry/sink_log.hpp"
#include "work/engine.hpp"

namespace memoir::app {

class Observation {
  public:
    explicit Observation(telemetry::SinkLog& log);

    // For the engine.
    work::Observer observer();
    // Listens where the options say; nowhere when they say nothing. Throws StartError.
    void serve(boost::asio::io_context& control, const telemetry::MetricsOptions& options);
    // From here on there is an engine to look at. All of it outlives this object's use.
    void watch(work::Engine& engine, Backends& backends, pg::Pool& pool);
    void draining();
    // Reads the queue's depth when that is due.
    void tick(pg::Pool& pool, const std::string& schema);
    // No handler looks at the engine any more.
    void stop();

  private:
    void refresh();
    http::Reply ready() const;

    telemetry::SinkLog& log_;
    telemetry::Metrics metrics_;
    std::unique_ptr<http::Server> server_;
    mutable std::mutex mutex_;  // guards the three below
    work::Engine* engine_ = nullptr;
    Backends* backends_ = nullptr;
    pg::Pool* pool_ = nullptr;
    std::atomic<bool> draining_{false};
    TimePoint next_depth_{};  // of the scout's thread
};

}  // namespace memoir::app
