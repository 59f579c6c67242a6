#include <chrono>
#include <cmath>

#include "ctl/doctor.hpp"
#include "queue/hosts.hpp"
#include "schema/schema.hpp"

namespace memoir::ctl {
namespace {

using Verdict = Finding::Verdict;

// The oldest that the library's schema and ours are tested with is 15; what they use came with 13.
constexpr int oldest_server = 130'000;
// Due times are the server's; logs and people read the host's.
constexpr double much_skew = 5;

std::int64_t milliseconds_of(pg::Connection& connection, const char* setting) {
    return connection
        .exec("select setting::bigint from pg_settings where name = $1",
              pg::Params().add(std::string(setting)))
        .integer(0, 0);
}

void warn(Finding& finding, std::string detail, std::string hint) {
    finding.verdict = Verdict::doubtful;
    finding.detail = std::move(detail);
    finding.hint = std::move(hint);
}

// A limit of the role or the database that ends statements sooner than we do.
Finding server_limit(Context& context, const char* setting) {
    return examined(setting, [&](Finding& finding) {
        const auto limit = milliseconds_of(context.database(), setting);
        const auto ours = context.config().database.statement_timeout.count();
        finding.detail = limit == 0 ? "off" : std::to_string(limit) + " ms";
        if (limit != 0 && limit < ours)
            warn(finding, finding.detail + ", below database.statement_timeout",
                 "alter role ... set " + std::string(setting) + " = 0, or lower database.statement_timeout");
    });
}

Finding addition(const char* check, bool present, bool needed, const char* without) {
    Finding finding{std::string("schema: ") + check, Verdict::good, "there", ""};
    if (present) return finding;
    finding.verdict = needed ? Verdict::wrong : Verdict::doubtful;
    finding.detail = std::string("not there: ") + without;
    finding.hint = "memoirctl schema apply creates it";
    return finding;
}

}  // namespace

void look_at_database(Context& context, Findings& findings) {
    findings.push_back(examined("database", [&](Finding& finding) {
        const int version = context.database().server_version();
        finding.detail =
            "PostgreSQL " + std::to_string(version / 10'000) + "." + std::to_string(version % 10'000);
        if (version >= oldest_server) return;
        finding.verdict = Verdict::wrong;
        finding.hint = "PostgreSQL 13 or later is needed";
    }));
    if (findings.back().verdict != Verdict::good) return;
    findings.push_back(examined("database takes writes", [&](Finding& finding) {
        if (!context.database().exec("select pg_is_in_recovery()").boolean(0, 0)) return;
        finding.verdict = Verdict::wrong;
        finding.detail = "it is a standby";
        finding.hint = "name the primary in database.url, or add target_session_attrs=read-write";
    }));
    findings.push_back(examined("clock", [&](Finding& finding) {
        const auto theirs = context.database()
                                .exec("select (extract(epoch from clock_timestamp()) * 1000)::bigint")
                                .integer(0, 0);
        const auto ours = std::chrono::duration_cast<std::chrono::milliseconds>(
                              std::chrono::system_clock::now().time_since_epoch())
                              .count();
        const double skew = static_cast<double>(ours - theirs) / 1'000;
        finding.detail = "this host and the database agree";
        if (std::abs(skew) > much_skew)
            warn(finding,
                 "this host is " + std::to_string(static_cast<long>(skew)) + " s ahead of the database",
                 "let both follow NTP: times in logs do not match those in the queue");
    }));
    for (const char* setting : {"statement_timeout", "idle_in_transaction_session_timeout"})
        findings.push_back(server_limit(context, setting));
    findings.push_back(examined("connections", [&](Finding& finding) {
        const auto most = milliseconds_of(context.database(), "max_connections");
        // The pool, and those of keeper, listener and its self-test.
        const auto ours = context.config().database.pool + 3;
        finding.detail = std::to_string(ours) + " of " + std::to_string(most);
        if (ours > most) warn(finding, finding.detail, "lower database.pool, or raise max_connections");
    }));
    findings.push_back(examined("schema and grants", [&](Finding& finding) {
        schema::check(context.database(), context.schema());
        finding.detail = context.schema() + " is as the contract says, and this role may use it";
    }));
    if (findings.back().verdict == Verdict::wrong) return;
    const auto& has = context.additions();
    findings.push_back(
        addition("index (kind, created_at, id)", has.pending_index, false, "claims scan the queue"));
    findings.push_back(
        addition("index (source_pid)", has.source_index, false, "cascades and the fan-in scan the queue"));
    findings.push_back(
        addition("index (kind, updated_at)", has.failed_index, false, "listing failed jobs scans the queue"));
    findings.push_back(addition("table memoird_replies", has.replies, false, "a retry pays the model again"));
    findings.push_back(addition("table memoird_pauses", has.pauses, false, "memoirctl pause does nothing"));
    findings.push_back(addition("table memoird_hosts", has.hosts, false, "who serves what is unknown"));
    findings.push_back(addition("trigger memoird_notify", has.notify, false, "jobs wait for the next poll"));
    findings.push_back(addition("table memoird_vectors", has.vectors,
                                context.config().vector.backend == "postgres",
                                "vector.backend = \"postgres\" needs it"));
}

}  // namespace memoir::ctl
