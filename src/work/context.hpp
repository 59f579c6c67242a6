#pragma once
// What the parts of this folder share in one process. Owned by Engine. Thread safety: of its members.

#include <stop_token>
#include <string>

#include "pg/pool.hpp"
#include "telemetry/log.hpp"
#include "work/claim_table.hpp"
#include "work/identity.hpp"
#include "work/lanes.hpp"
#include "work/tally.hpp"

namespace memoir::work {

struct Context {
    const Milliseconds lease;
    const std::string& schema;
    bool indexed;  // the index (kind, created_at, id) is there
    pg::Pool& pool;
    telemetry::Log& log;
    Identity& identity;
    ClaimTable& claims;
    Lanes& lanes;
    Tally& tally;
    std::function<void(std::int64_t, Milliseconds)> parked;  // this job of ours is due after so long
    std::function<void()> let_go;  // a row of ours is held by nobody here: hand it back soon
    std::stop_token abandon;       // nothing is waited for any more: a second signal, or the drain's end

    // The one of now. A claim is worked on by the plan that it was made under.
    PlanPtr plan() const { return lanes.plan(); }
};

}  // namespace memoir::work
