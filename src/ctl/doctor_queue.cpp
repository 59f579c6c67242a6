// The queue and the fleet: what has come to a stop, and who should have done it.

#include <algorithm>
#include <set>

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

std::string listed(const std::vector<std::string>& words) {
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
    return text;
}

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
            doubt(finding, listed(piles),
                  "memoirctl jobs list shows the reasons; when the cause is mended: memoirctl jobs retry "
                  "--all");
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
            doubt(finding, finding.detail + ", and none serves what waits: " + listed(orphans),
                  "start a memoird whose lanes and sections serve them (memoirctl jobs why ID says more)");
    });
}

Finding versions(const std::vector<queue::Host>& living) {
    return examined("fleet: versions", [&](Finding& finding) {
        std::set<std::string> all;
        for (const auto& host : living) all.insert(host.version);
        finding.detail = all.empty() ? "no host is alive" : listed({all.begin(), all.end()});
        if (all.size() > 1)
            doubt(finding, "hosts run different ones: " + finding.detail,
                  "finish the upgrade: memoirctl status shows which host runs what");
    });
}

Finding breakers(const std::vector<queue::Host>& living) {
    return examined("fleet: backends", [&](Finding& finding) {
        finding.detail = "no host reports one that is away";
        for (const auto& host : living)
            for (const auto& endpoint : troubled_endpoints(host)) {
                if (endpoint.code != "breaker") continue;  // a provider's rate limit is no trouble
                doubt(finding, "at " + host.host + ":" + std::to_string(host.pid) + " " + endpoint.text,
                      "look from that host: memoirctl doctor there");
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
        finding.detail = "none is long past its lease";
        if (overdue > 0)
            doubt(finding,
                  count(overdue, overdue == queue::depth_cap) +
                      " are long past their lease, and nobody takes them back",
                  "start a memoird; with one running, look for its errors and at the clocks");
    }));
    findings.push_back(examined("pauses", [&](Finding& finding) {
        finding.detail = "none";
        for (const auto& pause : read_pauses(context))
            doubt(finding,
                  (pause.kind == queue::every_kind ? "every kind" : pause.kind) + " is paused since " +
                      pause.paused_at + " by " + pause.paused_by,
                  "memoirctl resume ends it");
    }));
    findings.push_back(examined("memories without a vector", [&](Finding& finding) {
        const auto failed = memory::failed_vectors(database, context.schema(), queue::depth_cap);
        finding.detail = "none whose embedding has failed";
        if (failed > 0)
            doubt(finding,
                  count(failed, failed == queue::depth_cap) +
                      " whose embedding has failed: no search finds them",
                  "when the cause is mended: memoirctl reconcile --failed");
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
