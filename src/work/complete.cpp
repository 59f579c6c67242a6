#include "work/complete.hpp"

#include "base/failpoint.hpp"
#include "queue/claim.hpp"
#include "work/locked_completion.hpp"
#include "work/resolve.hpp"

namespace memoir::work {

Completed Completer::complete(std::span<Claim> batch, std::vector<Index> members, Effects* effects,
                              const Entry& entry) {
    Completed completed;
    if (members.empty()) return completed;
    Settling settling(context_.claims, ids(batch, members));
    if (effects || entry.fan_in)
        LockedCompletion{context_, persist_, outcomes_, batch, effects, entry, completed}.run(
            std::move(members));
    else
        complete_plain(batch, std::move(members));
    return completed;
}

void Completer::complete_plain(std::span<Claim> batch, std::vector<Index> members) {
    bool unknown = false;
    persist_.until_it_stands([&] {
        if (unknown) resolve(context_, outcomes_, batch, members, queue::Meant::remove);
        if (members.empty()) return true;
        const Stopwatch watch(context_.tally, batch[members.front()]);
        auto connection = context_.pool.acquire(context_.abandon, connection_wait);
        const auto statement =
            queue::remove(context_.schema, fences(batch, members), queue::Commit::asynchronous);
        unknown = true;
        failpoint("settle.committing");
        const auto result = connection->exec(statement);
        failpoint("settle.committed");
        watch.stood();
        for (const auto member : take_returned(batch, members, result)) outcomes_.succeeded(batch[member]);
        // Locked by another transaction and passed over, or no longer ours: the next round looks.
        return members.empty();
    });
}

bool Completer::complete_and_claim(std::span<Claim> batch, ClaimRequest& request) {
    auto members = everyone(batch.size());
    Settling settling(context_.claims, ids(batch, members));
    std::vector<pg::Segment> segments(2);
    segments[0].push_back(
        queue::remove(context_.schema, fences(batch, members), queue::Commit::asynchronous));
    segments[1].push_back(claimer_.statement(request));
    try {
        const Stopwatch watch(context_.tally, batch.front());
        const auto results = [&] {
            auto connection = context_.pool.acquire(context_.abandon, connection_wait);
            request.sent = Steady::now();
            return connection->pipeline(segments);
        }();
        const auto* claimed = std::get_if<std::vector<pg::Result>>(&results[1]);
        if (claimed) request.jobs = queue::jobs(claimed->at(0), request.claimed_by);
        if (const auto* removed = std::get_if<std::vector<pg::Result>>(&results[0])) {
            watch.stood();
            for (const auto member : take_returned(batch, members, removed->at(0)))
                outcomes_.succeeded(batch[member]);
        }
        if (!members.empty()) complete_plain(batch, members);
        return claimed != nullptr;
    } catch (const pg::UnknownOutcome&) {
        persist_.until_it_stands([&] {
            resolve(context_, outcomes_, batch, members, queue::Meant::remove);
            return true;
        });
        complete_plain(batch, members);
        claimer_.adopt(request, context_.abandon);
        return true;
    } catch (const pg::Error&) {
        complete_plain(batch, members);
        return false;
    }
}

}  // namespace memoir::work
