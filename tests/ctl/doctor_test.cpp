// Each check of memoirctl doctor, broken on purpose: the real program and PostgreSQL. What the backends are
// asked stands in doctor_backends_test.cpp.
#include <catch2/catch.hpp>
#include <set>

#include "ctl/doctor_rig.hpp"
#include "support/falkordb.hpp"
#include "support/pgbouncer.hpp"
#include "support/qdrant_double.hpp"
#include "support/wait.hpp"

using namespace memoir;
using namespace memoir::test;
using nlohmann::json;

namespace {

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// `option` of the session, as a role or database would set it.
std::string with_option(const std::string& url, const std::string& option) {
    return url + (has(url, "?") ? "&" : "?") + "options=-c%20" + option;
}

// A living host of the fleet.
void host(Doctor& doctor, const std::string& nonce, const std::string& version, const std::string& kinds,
          const std::string& endpoints = "[]") {
    doctor.schema.sql(
        "insert into $schema.memoird_hosts (nonce, host, pid, version, kinds, endpoints) values ($1, 'h', 7, "
        "$2, "
        "$3::text[], $4::jsonb)",
        pg::Params().add(nonce).add(version).add(kinds).add(endpoints));
}

}  // namespace

TEST_CASE("where all is well every check says so, and the exit code is 0") {
    Doctor doctor;
    const auto finished = doctor.run(true);
    INFO(finished.output << finished.errors);
    CHECK(finished.code == 0);
    const auto checks = json::parse(finished.output)["checks"];
    std::set<std::string> names;
    for (const auto& finding : checks) {
        CAPTURE(finding.dump());
        names.insert(finding["check"].get<std::string>());
        // The cluster of the tests does not wait for the disk.
        if (finding["check"] != "database durability") CHECK(finding["verdict"] == "ok");
    }
    CHECK(names.size() >= 38);
    CHECK(names.size() == checks.size());
    const auto text = doctor.run(false).output;
    CHECK(has(text, "ok           database: PostgreSQL"));
    CHECK(has(text, " checks are ok"));
}

TEST_CASE("a configuration with problems is wrong, line by line, and the rest is left out") {
    Doctor doctor;
    std::ofstream(doctor.folder + "/bad.toml") << "[worker]\nlease = \"soon\"\nleese = 3\n";
    doctor.before = {"/usr/bin/env"};
    doctor.settings.clear();
    doctor.settings.emplace_back("worker.poll_interval=never");
    const auto finished = doctor.run(true);
    CHECK(finished.code == 78);
    const auto seen = doctor.look("configuration");
    CHECK(seen.verdict() == "wrong");
    CHECK(has(seen.detail(), "worker.poll_interval"));
    CHECK(doctor.look("database").verdict() == "absent");
    CHECK(doctor.look("systemd unit").verdict() == "ok");
    const auto file = test::run({{memoirctl_PROGRAM, "doctor", "-c", doctor.folder + "/bad.toml"}, {}, {}});
    CHECK(file.code == 78);
    CHECK(has(file.output, "bad.toml:2:9: "));
    CHECK(has(file.output, "did you mean lease"));  // a key that does not exist
    const auto none = test::run({{memoirctl_PROGRAM, "doctor", "-c", doctor.folder + "/none.toml"}, {}, {}});
    CHECK(has(none.output, "does not exist"));
}

TEST_CASE("a secret that others can read, or that this user cannot, is a warning with its setting") {
    Doctor doctor;
    std::ofstream(doctor.folder + "/key") << "secret-word\n";
    std::filesystem::permissions(doctor.folder + "/key", std::filesystem::perms(0644));
    doctor.set("embedding.api_key_file=" + doctor.folder + "/key");
    auto seen = doctor.look("configuration: warning");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.detail(), "every user of this machine can read"));
    CHECK(has(seen.hint(), "chmod"));
    CHECK_FALSE(has(seen.detail() + seen.hint(), "secret-word"));
    doctor.set("embedding.api_key_file=" + doctor.folder + "/not-there");
    seen = doctor.look("configuration: warning");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.detail(), "does not exist"));
}

TEST_CASE("a key that would go over http beyond loopback is wrong") {
    Doctor doctor;
    std::ofstream(doctor.folder + "/key") << "secret-word\n";
    doctor.set("vector.url=http://qdrant.example:6333");
    doctor.set("vector.api_key_file=" + doctor.folder + "/key");
    const auto seen = doctor.look("configuration");
    CHECK(seen.verdict() == "wrong");
    CHECK(has(seen.detail(), "over http:// beyond loopback"));
    CHECK(seen.code == 78);
}

TEST_CASE("a host name that says nothing, a proxy, and too many threads are warnings") {
    Doctor doctor;
    doctor.set("worker.host=localhost");
    CHECK(doctor.look("host name").verdict() == "warning");

    doctor.set("embedding.url=http://models.example:11434");
    doctor.set("embedding.timeout=100ms");
    doctor.environment["http_proxy"] = "http://me:word@127.0.0.1:1";
    auto seen = doctor.look("proxies");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.hint(), "models.example"));
    CHECK_FALSE(has(seen.detail() + seen.hint(), "word"));
    doctor.environment["no_proxy"] = "localhost,.example";
    CHECK(doctor.look("proxies").verdict() == "ok");

    doctor.set("embedding.provider=onnx");
    doctor.set("embedding.threads=1000");
    seen = doctor.look("embedding threads");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.hint(), "embedding.threads"));
}

TEST_CASE("a unit that is not there, not enabled, or stops and watches too little is a warning each") {
    Doctor doctor;
    doctor.edit_unit("TimeoutStopSec=20\nWatchdogSec=0\nLimitNOFILE=70");
    auto seen = doctor.look("systemd unit: stop time");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.hint(), "systemctl edit memoird"));
    CHECK(doctor.look("systemd unit: watchdog").verdict() == "warning");
    seen = doctor.look("file descriptors");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.hint(), "LimitNOFILE"));
    doctor.edit_unit("TimeoutStopSec=1min 5s");
    CHECK(doctor.look("systemd unit: stop time").verdict() == "ok");
    doctor.edit_unit("TimeoutStopSec=infinity");
    CHECK(doctor.look("systemd unit: stop time").verdict() == "ok");
    std::filesystem::remove_all(doctor.folder + "/multi-user.target.wants");
    seen = doctor.look("systemd unit: enabled");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.hint(), "systemctl enable"));
    std::filesystem::remove(doctor.folder + "/memoird.service");
    CHECK(doctor.look("systemd unit").verdict() == "warning");
    doctor.before = {"/bin/bash", "-c", "ulimit -n 60; exec \"$@\"", "bash"};
    seen = doctor.look("file descriptors");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.hint(), "ulimit"));
}

TEST_CASE("a database that does not answer is unavailable, and what needs it is left out") {
    Doctor doctor;
    doctor.url = "host=127.0.0.1 port=1 dbname=memoir";
    const auto seen = doctor.look("database");
    CHECK(seen.verdict() == "unavailable");
    CHECK(has(seen.hint(), "database.url"));
    CHECK(seen.code == 69);
    CHECK(doctor.look("schema").verdict() == "absent");
    CHECK(doctor.look("embedding").verdict() == "ok");
}

TEST_CASE("a role that only reads is wrong") {
    Doctor doctor;
    doctor.url = with_option(doctor.url, "default_transaction_read_only%3Don");
    const auto seen = doctor.look("database takes writes");
    CHECK(seen.verdict() == "wrong");
    CHECK(has(seen.hint(), "default_transaction_read_only"));
}

TEST_CASE("a limit of the role below ours is a warning that names it") {
    const std::string setting =
        GENERATE("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout");
    Doctor doctor;
    doctor.url = with_option(doctor.url, setting + "%3D300ms");
    const auto seen = doctor.look(setting);
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.detail(), "300ms"));
    CHECK(has(seen.hint(), "alter role"));
}

TEST_CASE("a pool larger than what is free is a warning, and a crash that loses commits is another") {
    Doctor doctor;
    doctor.set("database.pool=900");
    auto seen = doctor.look("connections");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.hint(), "database.pool"));
    seen = doctor.look("database durability");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.hint(), "fsync = on"));
}

TEST_CASE("behind a transaction pooler, notifications do not arrive and the direct connection is asked for") {
    PgBouncer bouncer(Cluster::shared());
    Doctor doctor;
    doctor.url = bouncer.url();
    auto seen = doctor.look("connection pooler");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.hint(), "database.listen_url"));
    seen = doctor.look("notifications");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.hint(), "database.listen_url"));
    doctor.set("database.listen_url=" + Cluster::shared().url());
    CHECK(doctor.look("connection pooler").verdict() == "ok");
    CHECK(doctor.look("notifications").verdict() == "ok");
}

TEST_CASE("a queue that is not vacuumed, and a transaction that keeps it from being, are warnings") {
    Doctor doctor;
    doctor.schema.sql("alter table $schema.memory_jobs set (autovacuum_enabled = false)");
    auto seen = doctor.look("autovacuum");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.hint(), "autovacuum_enabled"));

    doctor.set("worker.job_timeout=1s");
    doctor.set("worker.drain_timeout=1s");
    const auto other = doctor.schema.connect();
    other->exec("begin isolation level repeatable read");
    other->exec("select count(*) from pg_class");
    CHECK(eventually([&] { return doctor.look("open transactions").verdict() == "warning"; },
                     std::chrono::seconds(30)));
    CHECK(has(doctor.look("open transactions").hint(), "pg_terminate_backend"));
}

TEST_CASE("a clock that is off is a warning") {
    if (!std::filesystem::exists("/usr/bin/faketime")) {
        WARN("faketime is not there: a wrong clock is not tried");
        return;
    }
    Doctor doctor;
    doctor.before = {"/usr/bin/faketime", "-f", "-100s"};
    CHECK(doctor.look("clock").verdict() == "warning");
}

TEST_CASE("a schema that lacks a column is wrong and named; so is one that is not there") {
    Doctor doctor;
    doctor.schema.sql("alter table $schema.memory_jobs drop column attempts");
    auto seen = doctor.look("schema");
    CHECK(seen.verdict() == "wrong");
    CHECK(has(seen.detail(), "attempts"));
    CHECK(seen.code == 78);
    doctor.set("database.schema=not_there");
    seen = doctor.look("schema");
    CHECK(seen.verdict() == "wrong");
    CHECK(has(seen.hint(), "memoirctl schema apply"));
}

TEST_CASE("grants that are missing are wrong and named by table") {
    Doctor doctor;
    const std::string role = "role_" + doctor.schema.name();
    doctor.schema.sql("create role " + role);
    doctor.schema.sql("grant usage on schema $schema to " + role);
    doctor.schema.sql("grant all on all tables in schema $schema to " + role);
    doctor.schema.sql("revoke insert on $schema.memories from " + role);
    doctor.environment["PGOPTIONS"] = "-c role=" + role;
    const auto seen = doctor.look("grants");
    CHECK(seen.verdict() == "wrong");
    CHECK(has(seen.detail(), "insert on memories"));
    CHECK(has(seen.detail(), "sequence memory_jobs_id_seq"));
    CHECK(has(seen.hint(), "memoirctl schema grants " + role));
    CHECK(seen.code == 78);
    doctor.schema.sql("drop owned by " + role);
    doctor.schema.sql("drop role " + role);
}

TEST_CASE("row-level security that may hide rows from the role is wrong and names the tables") {
    Doctor doctor;
    CHECK(doctor.look("row-level security").verdict() == "ok");
    const std::string role = "role_" + doctor.schema.name();
    doctor.schema.sql("create role " + role);
    doctor.schema.sql("grant usage on schema $schema to " + role);
    doctor.schema.sql("grant all on all tables in schema $schema to " + role);
    doctor.schema.sql("grant all on all sequences in schema $schema to " + role);
    doctor.schema.sql("alter table $schema.memories enable row level security");
    doctor.environment["PGOPTIONS"] = "-c role=" + role;
    const auto seen = doctor.look("row-level security");
    CHECK(seen.verdict() == "wrong");
    CHECK(has(seen.detail(), "memories"));
    CHECK(has(seen.hint(), "bypassrls"));
    doctor.schema.sql("drop owned by " + role);
    doctor.schema.sql("drop role " + role);
}

TEST_CASE("what schema apply would add is a warning each, with that command") {
    const auto [check, statement] = GENERATE(table<std::string, std::string>({
        {"schema: index (kind, created_at, id)", "drop index $schema.memoird_jobs_pending_idx"},
        {"schema: index (source_pid)", "drop index $schema.memoird_jobs_source_idx"},
        {"schema: index (kind, updated_at)", "drop index $schema.memoird_jobs_failed_idx"},
        {"schema: table memoird_replies", "drop table $schema.memoird_replies"},
        {"schema: table memoird_pauses", "drop table $schema.memoird_pauses"},
        {"schema: table memoird_hosts", "drop table $schema.memoird_hosts"},
        {"schema: trigger memoird_notify", "drop trigger memoird_notify on $schema.memory_jobs"},
    }));
    CAPTURE(check);
    Doctor doctor;
    doctor.schema.sql(statement);
    const auto seen = doctor.look(check);
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.hint(), "schema apply"));
    CHECK(seen.code == 0);
}

TEST_CASE("the table of vectors is needed where it is the backend") {
    Doctor doctor;
    doctor.schema.sql("drop table $schema.memoird_vectors");
    CHECK(doctor.look("schema: table memoird_vectors").verdict() == "wrong");
    CHECK(doctor.look("vector index").verdict() == "wrong");
}

TEST_CASE("what has come to a stop in the queue is a warning with the command that goes on") {
    Doctor doctor;
    const auto pid = doctor.schema.memory("words");
    doctor.schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind, state) select $1, 'embed', 'failed' from "
        "generate_series(1, 100)",
        pg::Params().add(pid));
    auto seen = doctor.look("failed jobs");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.hint(), "jobs retry"));

    doctor.schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind, state, claimed_by, claimed_at) values ($1, "
        "'embed', "
        "'claimed', 'memoird/h:7:n/embed.0.1', now() - interval '3 minutes')",
        pg::Params().add(pid));
    seen = doctor.look("claims");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.detail(), "1 has been past the end of the lease"));

    doctor.schema.sql("insert into $schema.memoird_pauses values ('embed', now(), 'somebody')");
    seen = doctor.look("pauses");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.hint(), "memoirctl resume"));

    doctor.schema.sql("update $schema.memories set qdrant_status = 'failed'");
    seen = doctor.look("memories without a vector");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.hint(), "reconcile --failed"));
    CHECK(seen.code == 0);
}

TEST_CASE("a claim within its lease and a parked job before it is due are no reason to warn") {
    Doctor doctor;
    const auto pid = doctor.schema.memory("words");
    doctor.schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind, state, claimed_by, claimed_at) values "
        "($1, 'embed', 'claimed', 'parked', now() - interval '150 seconds'), "
        "($1, 'embed', 'claimed', 'library-worker', now() - interval '15 minutes'), "
        "($1, 'embed', 'claimed', 'memoird/h:7:n/embed.0.1', now() - interval '100 seconds')",
        pg::Params().add(pid));
    CHECK(doctor.look("claims").verdict() == "ok");
}

TEST_CASE("kinds that nobody serves, hosts of two versions and their open breakers are warnings") {
    Doctor doctor;
    doctor.schema.job(doctor.schema.memory("words"), "embed");
    auto seen = doctor.look("kinds served");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.detail(), "no host serves kinds that have jobs waiting: embed"));
    host(doctor, "one", "0.1.0", "{embed}");
    CHECK(doctor.look("kinds served").verdict() == "ok");
    CHECK(doctor.look("fleet: versions").verdict() == "ok");
    host(doctor, "two", "0.2.0", "{embed}",
         R"([{"name": "qdrant", "state": "open", "why": "outage", "reason": "refused"}])");
    seen = doctor.look("fleet: versions");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.detail(), "0.1.0, 0.2.0"));
    seen = doctor.look("fleet: backends");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.detail(), "qdrant is open"));
}
