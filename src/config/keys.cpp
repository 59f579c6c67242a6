#include "config/keys.hpp"

#include <algorithm>

#include "config/key_rows.hpp"
#include "queue/job.hpp"

namespace memoir::config {
namespace {

using C = Config;

template <auto Field>
Target in_lane(Config& config, std::string_view lane) {
    auto& lanes = config.worker.lanes;
    const auto found =
        std::find_if(lanes.begin(), lanes.end(), [&](const auto& l) { return l.name == lane; });
    return &((*found).*Field);
}

template <auto Part>
void enable(Config& config) {
    if (!(config.*Part)) (config.*Part).emplace();
}
template <auto Part>
bool enabled(const Config& config) {
    return (config.*Part).has_value();
}
template <auto Part>
void take(const Config& from, Config& to) {
    to.*Part = from.*Part;
}

void add_database_keys(std::vector<Key>& keys) {
    keys.insert(
        keys.end(),
        {
            {.section = "database",
             .name = "url",
             .type = Type::secret,
             .target = at<&C::database, &pg::Options::url>,
             .may_be_empty = false,
             .inline_secret = true,
             .help = "The database, as a libpq URI or as keywords (host=... dbname=...). Anything "
                     "left out comes from libpq's environment variables (PGHOST, PGPASSFILE and so "
                     "on). If it contains a password, keep it in a file (url_file) or in a systemd "
                     "credential (url_credential) instead of this key.",
             .sample = "/etc/memoird/database-url"},
            {.section = "database",
             .name = "listen_url",
             .type = Type::secret,
             .target = at<&C::database, &pg::Options::listen_url>,
             .inline_secret = true,
             .help = "A direct connection for LISTEN if url goes through a transaction pooler such as "
                     "PgBouncer, which does not pass notifications on. The default is url. If the "
                     "self-test of LISTEN fails, memoird logs that and polls.",
             .sample = "/etc/memoird/database-listen-url"},
            {.section = "database",
             .name = "schema",
             .type = Type::text,
             .target = at<&C::database, &pg::Options::schema>,
             .may_be_empty = false,
             .help = "The schema that holds memories and memory_jobs; lower-case letters, digits and "
                     "underscores."},
            {.section = "database",
             .name = "pool",
             .type = Type::integer,
             .target = at<&C::database, &pg::Options::pool>,
             .low = 1,
             .high = 1000,
             .help = "Connections for statements and transactions. None is held across a model call, "
                     "so a few serve many loops; one lane uses at most half of them at a time."},
            {.section = "database",
             .name = "statement_timeout",
             .type = Type::duration,
             .target = at<&C::database, &pg::Options::statement_timeout>,
             .low = 10 * ms,
             .high = 1 * h,
             .help = "How long one statement may take, including the way to the server and back. At "
                     "most half of worker.lease."},
        });
}

void add_claim_keys(std::vector<Key>& keys) {
    using W = work::Options;
    keys.insert(
        keys.end(),
        {
            {.section = "worker",
             .name = "host",
             .type = Type::text,
             .target = at<&C::worker, &W::host>,
             .help = "This machine's name in claimed_by (memoird/HOST:PID:NONCE/...), without `/` and `:`. "
                     "Empty: the machine's host name."},
            {.section = "worker",
             .name = "poll_interval",
             .type = Type::duration,
             .target = at<&C::worker, &W::poll_interval>,
             .low = 10 * ms,
             .high = 1 * h,
             .live = true,
             .help = "How often an idle process looks for work that no notification announced, once for all "
                     "lanes. Shorter than lease."},
            {.section = "worker",
             .name = "lease",
             .type = Type::duration,
             .target = at<&C::worker, &W::lease>,
             .low = 1 * s,
             .high = 1 * d,
             .help = "How long a claim is valid without being renewed. A live process renews its claims at "
                     "least three times within the lease; the claims of a dead one are taken back after it. "
                     "Use one value for the whole fleet; at least twice database.statement_timeout."},
            {.section = "worker",
             .name = "foreign_lease",
             .type = Type::duration,
             .target = at<&C::worker, &W::foreign_lease>,
             .low = 1 * s,
             .high = 7 * d,
             .live = true,
             .help = "The lease of claims of workers other than memoird. They never renew their claims, so "
                     "it must be longer than their longest job."},
        });
}

void add_retry_keys(std::vector<Key>& keys) {
    using W = work::Options;
    keys.insert(
        keys.end(),
        {
            {.section = "worker",
             .name = "max_attempts",
             .type = Type::integer,
             .target = at<&C::worker, &W::max_attempts>,
             .low = 1,
             .high = 1000,
             .live = true,
             .help = "How many attempts a job gets before it ends as `failed`. An attempt that a backend's "
                     "outage interrupts does not count."},
            {.section = "worker",
             .name = "retry_base",
             .type = Type::duration,
             .target = at<&C::worker, &W::retry_base>,
             .low = 10 * ms,
             .high = 1 * h,
             .live = true,
             .help = "The wait before the second attempt; it doubles with each further attempt, with some "
                     "jitter."},
            {.section = "worker",
             .name = "retry_cap",
             .type = Type::duration,
             .target = at<&C::worker, &W::retry_cap>,
             .low = 10 * ms,
             .high = 1 * d,
             .live = true,
             .help = "The longest such wait."},
            {.section = "worker",
             .name = "job_timeout",
             .type = Type::duration,
             .target = at<&C::worker, &W::job_timeout>,
             .low = 100 * ms,
             .high = 1 * d,
             .live = true,
             .help =
                 "How long one job, or one step of a job that checkpoints, may take before it is cancelled "
                 "and counted as a failed attempt. Time spent waiting for a model server's limits does not "
                 "count."},
            {.section = "worker",
             .name = "drain_timeout",
             .type = Type::duration,
             .target = at<&C::worker, &W::drain_timeout>,
             .low = 0,
             .high = 1 * h,
             .live = true,
             .help = "How long running jobs may continue after SIGTERM; then they are cancelled and released "
                     "without counting an attempt."},
        });
}

void add_worker_keys(std::vector<Key>& keys) {
    using W = work::Options;
    keys.insert(
        keys.end(),
        {
            {.section = "worker",
             .name = "listen",
             .type = Type::boolean,
             .target = at<&C::worker, &W::listen>,
             .help =
                 "Wake at once by NOTIFY if `memoirctl schema apply` has installed its trigger; without it, "
                 "work is found within poll_interval."},
            {.section = "worker",
             .name = "unconfigured",
             .type = Type::choice,
             .target = at<&C::worker, &W::complete_unconfigured>,
             .choices = {"leave", "complete"},
             .live = true,
             .help = "What to do with jobs whose backend is not configured on this host: leave them to hosts "
                     "that have one, or complete them without doing anything (reprocess still stores its "
                     "feedback)."},
            {.section = "worker",
             .name = "graph_absent",
             .type = Type::choice,
             .target = at<&C::worker, &W::leave_graph_absent>,
             .choices = {"complete", "leave"},
             .live = true,
             .help =
                 "What to do with jobs of the graph's kinds if there is no [graph] section: complete them "
                 "without doing anything, or leave them to hosts of the fleet that have one."},
        });
}

void add_lane_keys(std::vector<Key>& keys) {
    using L = work::LaneOptions;
    keys.insert(keys.end(), {
                                {.section = "lanes.*",
                                 .name = "kinds",
                                 .type = Type::list,
                                 .target = in_lane<&L::kinds>,
                                 .choices = {queue::all_kinds.begin(), queue::all_kinds.end()},
                                 .live = true,
                                 .help = "The kinds of job that this lane serves. A kind can be in one lane "
                                         "only; a kind that is in no lane is not served by this process."},
                                {.section = "lanes.*",
                                 .name = "loops",
                                 .type = Type::integer,
                                 .target = in_lane<&L::loops>,
                                 .low = 1,
                                 .high = 512,
                                 .live = true,
                                 .help = "Worker loops: how many claims of this lane run at the same time."},
                                {.section = "lanes.*",
                                 .name = "batch",
                                 .type = Type::integer,
                                 .target = in_lane<&L::batch>,
                                 .low = 1,
                                 .high = 1000,
                                 .live = true,
                                 .help = "The most jobs that one claim takes."},
                            });
}

void add_telemetry_keys(std::vector<Key>& keys) {
    using L = telemetry::LogOptions;
    using M = telemetry::MetricsOptions;
    keys.insert(
        keys.end(),
        {
            {.section = "log",
             .name = "level",
             .type = Type::choice,
             .target = at<&C::log, &L::level>,
             .choices = {"debug", "info", "warning", "error"},
             .live = true,
             .help = "The lowest level that is logged. No level logs memory content."},
            {.section = "log",
             .name = "format",
             .type = Type::choice,
             .target = at<&C::log, &L::format>,
             .choices = {"auto", "json", "text"},
             .help =
                 "auto: to the journal, with fields, if systemd started the process, otherwise text. json: "
                 "one object per line."},
            {.section = "metrics",
             .name = "listen",
             .type = Type::text,
             .target = at<&C::metrics, &M::listen>,
             .help = "Where /metrics, /healthz, /readyz and the status page are served: ADDRESS:PORT or "
                     "unix:/path. Empty: nowhere.",
             .sample = "127.0.0.1:9464"},
            {.section = "metrics",
             .name = "allow_remote",
             .type = Type::boolean,
             .target = at<&C::metrics, &M::allow_remote>,
             .help =
                 "Required for an address other than loopback: every client that can reach it can read the "
                 "status page."},
            {.section = "metrics",
             .name = "host_names",
             .type = Type::list,
             .target = at<&C::metrics, &M::host_names>,
             .help = "Host names that clients use to reach it, besides IP addresses, localhost and the "
                     "machine's own name. Requests with any other Host header are refused as a protection "
                     "against DNS rebinding.",
             .sample = "[\"memoird.example.org\"]"},
        });
}

}  // namespace

const std::vector<Section>& sections() {
    static const std::vector<Section> table{
        {.name = "database", .help = "The PostgreSQL that holds memories and memory_jobs."},
        {.name = "worker", .help = "How jobs are claimed, retried and handed back."},
        {.name = "lanes.*",
         .help = "A lane is a set of kinds with its own loops and batch size, so that a slow model does not "
                 "hold up other kinds. Configuring any lane replaces all three default lanes."},
        {.name = "embedding", .help = "The model that turns texts into vectors."},
        {.name = "onnx", .help = "The runtime of the models that run in this process."},
        {.name = "vector", .help = "The vector index."},
        {.name = "extraction",
         .help =
             "The language model that extracts facts. This section enables the kinds extract and reprocess.",
         .enable = enable<&C::extraction>,
         .enabled = enabled<&C::extraction>,
         .take = take<&C::extraction>},
        {.name = "relational",
         .help =
             "The language model that extracts relations. This section enables the kind relational_extract.",
         .enable = enable<&C::relational>,
         .enabled = enabled<&C::relational>,
         .take = take<&C::relational>},
        {.name = "classifier",
         .help = "What assigns facts to categories. This section enables the kind categorize.",
         .enable = enable<&C::classifier>,
         .enabled = enabled<&C::classifier>,
         .take = take<&C::classifier>},
        {.name = "classifier.labels",
         .help = "The sentences for the provider embedding; each has a default.",
         .enable = enable<&C::classifier>,
         .enabled = enabled<&C::classifier>},
        {.name = "graph",
         .help =
             "The knowledge graph. This section enables the kind synthesize; without it, worker.graph_absent "
             "determines what happens to jobs of the graph's kinds.",
         .enable = enable<&C::graph>,
         .enabled = enabled<&C::graph>},
        {.name = "log", .help = "Which events are logged, and how."},
        {.name = "metrics", .help = "Metrics, health and the status page over HTTP."},
    };
    return table;
}

const std::vector<Key>& keys() {
    static const std::vector<Key> table = [] {
        std::vector<Key> all;
        add_database_keys(all);
        add_claim_keys(all);
        add_retry_keys(all);
        add_worker_keys(all);
        add_lane_keys(all);
        add_backend_keys(all);
        add_telemetry_keys(all);
        return all;
    }();
    return table;
}

}  // namespace memoir::config
