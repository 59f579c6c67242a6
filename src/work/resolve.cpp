#include "work/resolve.hpp"

#include <algorithm>

#include "work/persist.hpp"

namespace memoir::work {

void resolve(Context& context, Outcomes& outcomes, std::span<Claim> batch, std::vector<Index>& members,
             queue::Meant meant) {
    if (members.empty()) return;
    auto connection = context.pool.acquire(context.abandon, connection_wait);
    const auto look = queue::look(context.schema, ids(batch, members), "");
    const auto rows = queue::seen(connection->exec(look));
    std::vector<Index> ours;
    for (const auto member : members) {
        auto& claim = batch[member];
        const auto row = std::ranges::find(rows, claim.job().id, &queue::Seen::id);
        const auto seen = row == rows.end() ? std::nullopt : std::optional(*row);
        switch (queue::resolve(meant, claim.job().claimed_by, seen)) {
            case queue::CommitFate::again:
                ours.push_back(member);
                break;
            case queue::CommitFate::done:
                outcomes.stood(claim, meant);
                break;
            case queue::CommitFate::lost:
                outcomes.lost(claim);
                break;
            case queue::CommitFate::over:
                // Only a removal of ours takes a row away; a row that was to be parked, released or failed
                // and is gone went with its memory.
                if (meant == queue::Meant::remove)
                    outcomes.unknown(claim);
                else
                    outcomes.source_deleted(claim);
                break;
        }
    }
    members = std::move(ours);
}

}  // namespace memoir::work
