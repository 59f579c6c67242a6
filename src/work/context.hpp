#pragma once
// What the parts of this folder share in one process. Owned by Engine. Thread safety: of its members.

#include <stop_token>
#include <string>

#include "pg/pool.hpp"
#include "telemetry/log.hpp"
#include "work/held.hpp"
#include "work/identity.hpp"
#include "work/lanes.hpp"
#include "work/options.hpp"
#include "work/stage.hpp"
#include "work/tally.hpp"

namespace memoir::work {

struct Context {
    const Options& options;
    const std::string& schema;
    bool has_graph;  // here, or on another host of the fleet: lost fan-ins are repaired
    bool indexed;    // the index (kind, created_at, id) is there
    pg::Pool& pool;
    telemetry::Log& log;
    const Registry& registry;
    Identity& identity;
    Held& held;
    Lanes& lanes;
    Tally& tally;
    std::function<void(Milliseconds)> parked;  // a job of ours is due after so long
    std::function<void()> let_go;              // a row of ours is held by nobody here: hand it back soon
    std::stop_token abandon;  // nothing is waited for any more: a second signal, or the drain's end
};

}  // namespace memoir::work
