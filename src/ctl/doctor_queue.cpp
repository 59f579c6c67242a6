// The queue and the fleet: what has come to a stop, and who should have done it.

#include <algorithm>
#include <set>

#include "base/join.hpp"
#include "ctl/doctor.hpp"
#include "ctl/fleet.hpp"
#include "ctl/table.hpp"
#include "ctl/why.hpp"
#include "memory/reconcile.hpp"
#include "queue/depth.hpp"
#include "queue/inspect.hpp"

namespace memoir::ctl {
namespace {

// One or two are a poison memory; so many are a cause that somebody has to look for.
constexpr std::int64_t many_failed = 100;

Finding failed_jobs(const std::vector<queue::Depth>& depths) {
    return examined("failed jobs", [&](Finding& finding) {
        std::int64_t all = 0;
        std::vector<std::string> piles;
        for (const auto& depth : depths) {
            all += depth.failed;
            if (depth.failed >= many_failed)
                piles.push_back(count(depth.failed, depth.failed == queue::depth_cap) + " " + depth.kind);
        }
        finding.detail = std::to_string(all);
        if (!piles.empty())
            doubt(
                finding, join(piles),
                "memoirctl jobs list shows the reasons; after fixing the cause: memoirctl jobs retry --all");
    });
}

Finding served(const std::vector<queue::Depth>& depths, const std::vector<queue::Host>& living) {
    return examined("kinds served", [&](Finding& finding) {
        std::vector<std::string> orphans;
        for (const auto& depth : depths) {
            const bool waits = depth.pending > 0 || depth.parked > 0;
            const bool has_host = std::ranges::any_of(living, [&](const queue::Host& host) {
                return std::ranges::find(host.kinds, depth.kind) != host.kinds.end();
            });
            if (waits && !has_host) orphans.push_back(depth.kind);
        }
        finding.detail =
            std::to_string(living.size()) + (living.size() == 1 ? " host is" : " hosts are") + " alive";
        if (!orphans.empty())
            doubt(finding,
                  finding.detail + ", but no host serves kinds that have jobs waiting: " + join(orphans),
                  "start a memoird whose lanes and sections serve them (memoirctl jobs why ID has details)");
    });
}

Finding versions(const std::vector<queue::Host>& living) {
    return examined("fleet: versions", [&](Finding& finding) {
        std::set<std::string> all;
        for (const auto& host : living) all.insert(host.version);
        finding.detail = all.empty() ? "no host is alive" : join(std::vector(all.begin(), all.end()));
        if (all.size() > 1)
            doubt(finding, "hosts run different versions: " + finding.detail,
                  "finish the upgrade: memoirctl status shows the version of each host");
    });
}

Finding breakers(const std::vector<queue::Host>& living) {
    return examined("fleet: backends", [&](Finding& finding) {
        finding.detail = "every backend is available on every host";
        for (const auto& host : living)
            for (const auto& endpoint : troubled_endpoints(host)) {
                if (endpoint.code != "breaker") continue;  // a provider's rate limit is no trouble
                doubt(finding, "on " + host.host + ":" + std::to_string(host.pid) + ", " + endpoint.text,
                      "run memoirctl doctor on that host");
            }
    });
}

}  // namespace

void look_at_queue(Context& context, Findings& findings) {
    auto& database = context.database();
    const auto& config = context.config();
    const auto& has = context.additions();
    const auto statement = queue::depth_statement(context.schema(), has.pending_index && has.failed_index);
    const auto depths = queue::read_depths(database.exec(statement.sql, statement.params));
    findings.push_back(failed_jobs(depths));
    findings.push_back(examined("claims", [&](Finding& finding) {
        const auto overdue = queue::overdue_claims(database, context.schema(), config.worker.lease,
                                                   config.worker.foreign_lease);
        finding.detail = "none is long overdue";
        if (overdue > 0)
            doubt(
                finding,
                count(overdue, overdue == queue::depth_cap) + (overdue == 1 ? " has" : " have") +
                    " been past the end of the lease for more than a lease, and no worker takes the job back",
                "start a memoird; if one is running, check its log for errors, and the clocks");
    }));
    findings.push_back(examined("pauses", [&](Finding& finding) {
        finding.detail = "none";
        for (const auto& pause : read_pauses(context))
            doubt(finding,
                  (pause.kind == queue::every_kind ? "every kind" : pause.kind) + " was paused at " +
                      pause.paused_at + " by " + pause.paused_by,
                  "memoirctl resume ends the pause");
    }));
    findings.push_back(examined("memories without a vector", [&](Finding& finding) {
        const auto failed = memory::failed_vectors(database, context.schema(), queue::depth_cap);
        finding.detail = "no embedding has failed";
        if (failed > 0)
            doubt(finding,
                  count(failed, failed == queue::depth_cap) +
                      (failed == 1 ? " embedding has" : " embeddings have") +
                      " failed: searches do not find these memories",
                  "after fixing the cause: memoirctl reconcile --failed");
    }));
    const auto hosts = read_hosts(context);
    if (!hosts) return;  // said with the table that is not there
    std::vector<queue::Host> living;
    for (const auto& host : *hosts)
        if (alive(host, config.worker.lease)) living.push_back(host);
    findings.push_back(served(depths, living));
    findings.push_back(versions(living));
    findings.push_back(breakers(living));
}

}  // namespace memoir::ctl
