// The server: can it be reached, may this role use it, do its limits leave room. And the schema.

#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>

#include "base/failure.hpp"
#include "config/duration.hpp"
#include "ctl/doctor.hpp"
#include "pg/listener.hpp"
#include "schema/schema.hpp"
#include "schema/server.hpp"

namespace memoir::ctl {
namespace {

using Grade = Finding::Grade;
using config::format_duration;
using schema::Server;

// The oldest that the library's schema and ours are tested with is 15; what they use came with 13.
constexpr int oldest_server = 130'000;
// Due times are the server's; logs and people read the host's.
constexpr double much_skew = 5;
// What our transactions set for themselves; a statement outside one has the role's.
constexpr Milliseconds shortest_lock_timeout{500};
// Keeper, duties, listener and the listener's self-test, beside the pool.
constexpr int beside_pool = 4;

Finding writable(const Server& server) {
    return examined("database takes writes", [&](Finding&) {
        if (server.standby)
            throw StartError("the server is a standby",
                             "name the primary in database.url, or add target_session_attrs=read-write");
        if (server.read_only)
            throw StartError("transactions of role " + server.role + " are read-only by default",
                             "alter role " + server.role + " reset default_transaction_read_only");
    });
}

Finding clock(const Server& server) {
    return examined("clock", [&](Finding& finding) {
        const auto ours = std::chrono::system_clock::now().time_since_epoch();
        const double skew = std::chrono::duration<double>(ours - server.clock).count();
        finding.detail = "this host and the database agree";
        if (std::abs(skew) > much_skew)
            doubt(finding,
                  "this host is " + std::to_string(static_cast<long>(std::abs(skew))) + " s " +
                      (skew > 0 ? "ahead of" : "behind") + " the database",
                  "synchronize both with NTP: times in the log do not match times in the queue");
    });
}

// A limit of the role or the database that ends what we do sooner than we do.
Finding server_limit(const char* setting, Milliseconds limit, Milliseconds needed, const char* ours) {
    return examined(setting, [&](Finding& finding) {
        finding.detail = limit.count() == 0 ? "off" : format_duration(limit);
        if (limit.count() != 0 && limit < needed)
            doubt(finding, finding.detail + ", below " + ours,
                  "alter role ... set " + std::string(setting) + " = 0");
    });
}

Finding connections(const Server& server, const config::Config& config) {
    return examined("connections", [&](Finding& finding) {
        const auto ours = config.database.pool + beside_pool;
        auto free = server.max_connections - server.reserved - server.used;
        std::string whose = " needed, " + std::to_string(free) + " available";
        if (server.role_connections && *server.role_connections < free) {
            free = *server.role_connections;
            whose = " needed, " + std::to_string(free) + " allowed for role " + server.role;
        }
        finding.detail = std::to_string(ours) + whose;
        if (ours > free)
            doubt(finding, finding.detail,
                  "lower database.pool, or raise max_connections or the role's connection limit");
    });
}

Finding durability(const Server& server) {
    return examined("database durability", [&](Finding& finding) {
        finding.detail = "commits survive a crash of the server";
        if (!server.fsync || !server.full_page_writes)
            doubt(finding,
                  std::string(server.fsync ? "full_page_writes" : "fsync") +
                      " is off: a crash of the server can lose commits or corrupt the database",
                  std::string("set ") + (server.fsync ? "full_page_writes" : "fsync") +
                      " = on in postgresql.conf");
    });
}

Finding pooler(Context& context) {
    return examined("connection pooler", [&](Finding& finding) {
        finding.detail = "none";
        if (context.database().reaches_server()) return;
        finding.detail = "in use; memoird does not depend on session state";
        const auto& config = context.config();
        if (config.worker.listen && config.database.listen_url.empty())
            doubt(finding, "in use, and LISTEN does not work through a pooler in transaction mode",
                  "set database.listen_url to a direct connection, or worker.listen = false");
    });
}

// A notification to ourselves, as the daemon's listener proves itself.
Finding notifications(Context& context) {
    return examined("notifications", [&](Finding& finding) {
        const auto& config = context.config();
        if (!config.worker.listen) {
            finding.detail = "worker.listen is false: memoird polls";
            return;
        }
        auto options = context.connect_options();
        if (!config.database.listen_url.empty()) options.conninfo = config.database.listen_url.reveal();
        std::mutex mutex;
        std::condition_variable told;
        std::optional<pg::Listener::State> state;
        std::optional<pg::Error> why;
        pg::Listener::Callbacks callbacks;
        callbacks.on_state = [&](pg::Listener::State now, const std::optional<pg::Error>& error) {
            const std::lock_guard lock(mutex);
            if (state) return;
            state = now;
            why = error;
            told.notify_one();
        };
        {
            // Nobody else listens here: the daemons' own channel is left alone.
            const pg::Listener listener(
                options, "memoird_doctor", callbacks,
                {.self_test = std::chrono::minutes(5), .answer = std::chrono::seconds(2)});
            std::unique_lock lock(mutex);
            told.wait_for(lock, std::chrono::seconds(15), [&] { return state.has_value(); });
        }
        const char* hint = "set database.listen_url to a direct connection; until then memoird polls";
        if (why) return doubt(finding, why->what(), hint);
        if (state != pg::Listener::State::working)
            return doubt(finding, "notifications do not arrive: a pooler is in between", hint);
        finding.detail = "delivered";
    });
}

Finding addition(const char* check, bool present, bool needed, const char* without) {
    Finding finding{std::string("schema: ") + check, Grade::good, "present", ""};
    if (present) return finding;
    finding.grade = needed ? Grade::wrong : Grade::doubtful;
    finding.detail = std::string("missing: ") + without;
    finding.hint = "memoirctl schema apply creates it";
    return finding;
}

}  // namespace

bool look_at_database(Context& context, Findings& findings) {
    Server server;
    findings.push_back(examined("database", [&](Finding& finding) {
        const int version = context.database().server_version();
        const auto shown =
            "PostgreSQL " + std::to_string(version / 10'000) + "." + std::to_string(version % 10'000);
        if (version < oldest_server) throw StartError(shown, "PostgreSQL 13 or later is required");
        server = schema::ask_server(context.database());
        finding.detail = shown + ", as " + server.role;
    }));
    if (!went_well(findings)) return false;
    const auto& database = context.config().database;
    findings.push_back(writable(server));
    findings.push_back(pooler(context));
    findings.push_back(clock(server));
    findings.push_back(server_limit("statement_timeout", server.statement_timeout, database.statement_timeout,
                                    "database.statement_timeout"));
    findings.push_back(server_limit("idle_in_transaction_session_timeout", server.idle_in_transaction_timeout,
                                    database.statement_timeout, "database.statement_timeout"));
    findings.push_back(server_limit("lock_timeout", server.lock_timeout, shortest_lock_timeout,
                                    "the 500ms of memoird's own transactions"));
    findings.push_back(connections(server, context.config()));
    findings.push_back(durability(server));
    findings.push_back(notifications(context));
    findings.push_back(examined("autovacuum", [&](Finding& finding) {
        finding.detail = "on for the queue";
        if (!server.autovacuum || schema::queue_not_vacuumed(context.database(), context.schema()))
            doubt(finding,
                  "off" + std::string(server.autovacuum ? " for memory_jobs" : "") +
                      ": every claim reads past the dead rows of completed jobs",
                  server.autovacuum ? "alter table memory_jobs reset (autovacuum_enabled)"
                                    : "set autovacuum = on in postgresql.conf");
    }));
    findings.push_back(examined("open transactions", [&](Finding& finding) {
        // No transaction of ours lasts so long.
        const auto limit = context.config().worker.job_timeout;
        const auto open = schema::open_transactions(context.database(), limit);
        finding.detail = "none is older than worker.job_timeout";
        if (open.empty()) return;
        const auto& oldest = open.front();
        doubt(finding,
              (oldest.pid ? "process " + std::to_string(oldest.pid) + " (" + oldest.application + ")"
                          : oldest.application) +
                  " of role " + oldest.role + " has kept a transaction open for " +
                  std::to_string(oldest.seconds) + " s: vacuum cannot remove dead rows of the queue",
              "end it: select pg_terminate_backend(pid), or rollback prepared");
    }));
    return true;
}

bool look_at_schema(Context& context, Findings& findings) {
    findings.push_back(examined("schema", [&](Finding& finding) {
        schema::check_columns(context.database(), context.schema());
        finding.detail = context.schema() + " matches the contract";
    }));
    if (!went_well(findings)) return false;
    findings.push_back(examined("grants", [&](Finding& finding) {
        schema::check(context.database(), context.schema());
        finding.detail = "this role has the privileges that memoird needs";
    }));
    const bool usable = went_well(findings);
    findings.push_back(examined("row-level security", [&](Finding& finding) {
        finding.detail = "it hides nothing from this role";
        const auto tables = schema::tables_with_hidden_rows(context.database(), context.schema());
        if (tables.empty()) return;
        std::string names;
        for (const auto& table : tables) names += (names.empty() ? "" : ", ") + table;
        throw StartError("rows may be hidden from this role in " + names,
                         "alter role ... bypassrls, or take the policies off what memoird works on");
    }));
    const auto& has = context.additions();
    findings.push_back(
        addition("index (kind, created_at, id)", has.pending_index, false, "claims scan the queue"));
    findings.push_back(
        addition("index (source_pid)", has.source_index, false, "cascades and the fan-in scan the queue"));
    findings.push_back(
        addition("index (kind, updated_at)", has.failed_index, false, "listing failed jobs scans the queue"));
    findings.push_back(addition("index (kind, claimed_at)", has.parked_index, false,
                                "finding parked jobs that are due scans all claims"));
    findings.push_back(addition("index (user_id, agent_id, org_id)", has.user_index, false,
                                "looking across a user's agents and organisations scans all memories"));
    findings.push_back(
        addition("table memoird_replies", has.replies, false, "a retry pays for its model call again"));
    findings.push_back(addition("table memoird_pauses", has.pauses, false, "memoirctl pause does nothing"));
    findings.push_back(
        addition("table memoird_hosts", has.hosts, false, "which hosts serve a kind is unknown"));
    findings.push_back(addition("table memoird_duties", has.duties, false,
                                "every process repeats what one could do for the fleet"));
    findings.push_back(addition("trigger memoird_notify", has.notify, false, "jobs wait for the next poll"));
    if (has.notify_serial)
        findings.push_back(addition("trigger memoird_notify of this release", false, false,
                                    "commits of all writers that insert jobs wait for each other"));
    findings.push_back(addition("table memoird_vectors", has.vectors,
                                context.config().vector.backend == "postgres",
                                "vector.backend = \"postgres\" needs it"));
    return usable;
}

}  // namespace memoir::ctl
