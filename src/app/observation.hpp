#pragma once
// What a running memoird shows to those who look: Prometheus metrics, /healthz, /readyz, and at / the status
// page. Counts what the engine tells; reads the rest when it is asked. Only the queue's depth needs the
// database: one statement on the poller's tick, at most every 5 s while somebody asks and once a minute while
// nobody does, whoever asks for what. Thread safety: construct, serve and stop on the control thread;
// observer and tick from any thread.

#include <atomic>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "app/generations.hpp"
#include "http/server.hpp"
#include "page/snapshot.hpp"
#include "pg/pool.hpp"
#include "queue/depth.hpp"
#include "telemetry/metrics.hpp"
#include "telemetry/metrics_options.hpp"
#include "telemetry/sink_log.hpp"
#include "work/engine.hpp"

namespace memoir::app {

// How long the queue's depth is not read again after a reading that took so long. `asked`: somebody looked
// lately. Pure.
Milliseconds until_next_count(bool asked, Milliseconds took);

class Observation {
  public:
    explicit Observation(telemetry::SinkLog& log);

    // For the engine.
    work::Observer observer();
    // For the endpoints.
    std::shared_ptr<const endpoint::CallObserver> calls();
    // Listens where the options say; nowhere when they say nothing. `host` and `schema` are shown. Throws
    // StartError.
    void serve(boost::asio::io_context& control, const telemetry::MetricsOptions& options,
               const std::string& host, const std::string& schema);
    // From here on there is an engine to look at. All of it outlives this object's use.
    // `indexed`: as queue::depth_statement wants it.
    void watch(work::Engine& engine, Generations& generations, pg::Pool& pool, const std::string& schema,
               bool indexed);
    // The queue's depth is not counted any more.
    void draining();
    // No handler looks at the engine any more.
    void stop();

  private:
    void count(pg::Pool& pool, const std::string& schema, bool indexed, const std::stop_token& stop);
    void refresh();
    void refresh_endpoints();  // with mutex_, and an engine
    // Every series that can come is there from the start, at 0: what appears with its first event has no rate
    // that would show it.
    void begin_series();
    http::Reply ready() const;
    http::Reply status_page() const;
    page::Snapshot snapshot() const;
    // The rest with mutex_, and an engine.
    void show_kinds(page::Snapshot& shown) const;
    void show_work(page::Snapshot& shown) const;
    void show(const std::vector<queue::Depth>& depths);

    telemetry::SinkLog& log_;
    telemetry::Metrics metrics_;
    std::unique_ptr<http::Server> server_;
    std::string host_, schema_;
    const std::chrono::system_clock::time_point started_ = std::chrono::system_clock::now();
    std::atomic<TimePoint> asked_{};  // when somebody last looked
    TimePoint counted_{};             // of the poller's thread: when the depth was last asked for,
    Milliseconds counting_{0};        // and how long that took
    mutable std::mutex mutex_;        // guards what follows
    std::vector<queue::Depth> depths_;
    TimePoint depths_at_{};
    work::Engine* engine_ = nullptr;
    Generations* generations_ = nullptr;
    pg::Pool* pool_ = nullptr;
    std::atomic<bool> draining_{false};
    std::jthread counter_;
};

}  // namespace memoir::app
