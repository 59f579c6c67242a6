#pragma once
// What a memoird that has started consists of, in the order in which it is made; ended in the reverse one.
// States: incomplete while StartUp builds it, without an engine; complete from then on. Threads: those of its
// members. Thread safety: its members'; the engine's pointer does not change once it is complete. Failures:
// none.

#include <atomic>
#include <memory>
#include <string>

#include "app/generations.hpp"
#include "pg/listener.hpp"
#include "pg/pool.hpp"
#include "telemetry/log.hpp"
#include "work/engine.hpp"

namespace memoir::app {

struct Running {
    Running(const pg::ConnectOptions& database, const pg::Pool::Observer& observer,
            const config::Config& start, telemetry::Log& log)
        : pool(database, start.database.pool, observer), ground(pool, log, start.database.schema) {}
    // Probes wake the engine, which goes before the backends do.
    ~Running() { generations.unwatch(); }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    pg::Pool pool;
    Ground ground;
    Generations generations;
    schema::Additions additions;         // what of ours was there at the start
    std::atomic<bool> draining = false;  // the row in the table of hosts says so
    std::unique_ptr<work::Engine> engine;
    std::unique_ptr<pg::Listener> listener;  // null: only polling
};

}  // namespace memoir::app
