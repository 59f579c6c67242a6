#include "work/fan_in_repair.hpp"

#include "memory/memory.hpp"
#include "memory/staging.hpp"
#include "queue/fan_in.hpp"

namespace memoir::work {

bool FanInRepair::slice(pg::Connection& connection, int limit) {
    const auto found = memory::stranded(connection, context_.schema, after_, limit);
    if (!found.pids.empty()) {
        pg::Transaction transaction(connection, pg::Transaction::Durability::on);
        // What is locked elsewhere is found by the next round.
        std::vector<std::string> locked;
        for (auto& row : memory::lock(transaction, context_.schema, found.pids))
            locked.push_back(std::move(row.pid));
        const auto statement = queue::fan_in(context_.schema, locked);
        const auto enqueued = transaction.exec(statement);
        transaction.commit();
        for (int row = 0; row < enqueued.rows(); ++row)
            context_.log.info("memoir.fan_in.repaired",
                              "enqueued a missing synthesize job for staged triples",
                              {{"source_pid", enqueued.string(row, 0)}});
        if (!enqueued.empty()) context_.lanes.wake("synthesize");
    }
    after_ = found.next.value_or(std::string());
    return found.next.has_value();
}

}  // namespace memoir::work
