#include "config/keys.hpp"

#include <algorithm>

#include "queue/job.hpp"

namespace memoir::config {
namespace {

using C = Config;
using Chat = model::ChatOptions;
using Embedding = model::EmbeddingOptions;

constexpr double ms = 1, s = 1'000, m = 60 * s, h = 60 * m, d = 24 * h;

// The member `Field` of the section `Part` of a Config, optional sections included.
template <auto Part, auto Field>
Target at(Config& config, std::string_view) {
    auto& part = config.*Part;
    if constexpr (requires { part.has_value(); }) {
        return &((*part).*Field);
    } else {
        return &(part.*Field);
    }
}

template <auto Field>
Target in_lane(Config& config, std::string_view lane) {
    auto& lanes = config.worker.lanes;
    const auto found =
        std::find_if(lanes.begin(), lanes.end(), [&](const auto& l) { return l.name == lane; });
    return &((*found).*Field);
}

Target label(Config& config, std::string_view name) {
    return &config.classifier->labels[std::string(name)];
}

template <auto Part>
void enable(Config& config) {
    if (!(config.*Part)) (config.*Part).emplace();
}
template <auto Part>
bool enabled(const Config& config) {
    return (config.*Part).has_value();
}

// [extraction] and [relational] have the same keys.
template <auto Part>
void add_chat_keys(std::vector<Key>& keys, std::string_view section) {
    const std::vector<Key> chat{
        {.name = "provider",
         .type = Type::choice,
         .target = at<Part, &Chat::provider>,
         .choices = {"ollama", "openai", "anthropic"},
         .live = true,
         .help = "Whose API the model server speaks. openai is every compatible server too (vLLM, llama.cpp, "
                 "LM Studio and others), by its url."},
        {.name = "url",
         .type = Type::url,
         .target = at<Part, &Chat::url>,
         .live = true,
         .help =
             "The server's base URL. By default http://localhost:11434 for ollama, https://api.openai.com "
             "for openai and https://api.anthropic.com for anthropic.",
         .sample = "http://localhost:11434"},
        {.name = "model",
         .type = Type::text,
         .target = at<Part, &Chat::model>,
         .live = true,
         .help =
             "The model's name as the server knows it. It is stored with what it found: statistics group by "
             "it. By default llama3.2:1b for ollama, gpt-4o-mini for openai and claude-haiku-4-5 for "
             "anthropic.",
         .sample = "llama3.2:1b"},
        {.name = "api_key",
         .type = Type::secret,
         .target = at<Part, &Chat::api_key>,
         .live = true,
         .help =
             "The server's API key, from a file that only memoird can read or from a systemd credential. It "
             "is never sent over http:// beyond loopback.",
         .sample = "/etc/memoird/llm-api-key"},
        {.name = "timeout",
         .type = Type::duration,
         .target = at<Part, &Chat::timeout>,
         .low = 100 * ms,
         .high = 1 * h,
         .live = true,
         .help = "How long one call may take, from the first byte sent to the last one received."},
        {.name = "silence_timeout",
         .type = Type::duration,
         .target = at<Part, &Chat::silence_timeout>,
         .low = 100 * ms,
         .high = 1 * h,
         .live = true,
         .help = "How long the server may send nothing once its reply has begun."},
        {.name = "max_output_tokens",
         .type = Type::integer,
         .target = at<Part, &Chat::max_output_tokens>,
         .low = 16,
         .high = 1'000'000,
         .live = true,
         .help = "How many tokens a reply may have. A reply that is cut there counts as a failed attempt."},
        {.name = "max_concurrent",
         .type = Type::integer,
         .target = at<Part, &Chat::max_concurrent>,
         .low = 1,
         .high = 1024,
         .live = true,
         .help = "How many calls this process makes at a time; more wait, and their wait counts against no "
                 "deadline."},
        {.name = "num_ctx",
         .type = Type::integer,
         .target = at<Part, &Chat::num_ctx>,
         .low = 0,
         .high = 10'000'000,
         .live = true,
         .help = "Ollama's context size in tokens, which has to hold prompt and reply. 0: as much as the two "
                 "need."},
        {.name = "prompt_file",
         .type = Type::path,
         .target = at<Part, &Chat::prompt_file>,
         .live = true,
         .help = "A file with instructions in place of the built-in ones. Empty: the built-in ones.",
         .sample = "/etc/memoird/prompt.txt"},
        {.name = "ca_file",
         .type = Type::path,
         .target = at<Part, &Chat::ca_file>,
         .live = true,
         .help = "Certificates (PEM) to trust for https:// in place of the system's. Empty: the system's.",
         .sample = "/etc/memoird/ca.pem"},
    };
    for (Key key : chat) {
        key.section = section;
        keys.push_back(std::move(key));
    }
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
             .help = "The database, as a libpq URI or as keywords (host=... dbname=...). What it leaves out "
                     "comes from "
                     "libpq's own environment (PGHOST, PGPASSFILE and so on). With a password in it, keep it "
                     "in a "
                     "file (url_file) or in a systemd credential (url_credential) in place of this key.",
             .sample = "/etc/memoird/database-url"},
            {.section = "database",
             .name = "listen_url",
             .type = Type::secret,
             .target = at<&C::database, &pg::Options::listen_url>,
             .inline_secret = true,
             .help =
                 "A direct connection for LISTEN, where url goes through a transaction pooler such as "
                 "PgBouncer: "
                 "notifications do not pass one. By default it is url. Where the self-test of LISTEN fails, "
                 "memoird polls, and says so.",
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
             .help = "Connections for statements and transactions. None is held across a model call, so a "
                     "few serve "
                     "many loops."},
            {.section = "database",
             .name = "statement_timeout",
             .type = Type::duration,
             .target = at<&C::database, &pg::Options::statement_timeout>,
             .low = 10 * ms,
             .high = 1 * h,
             .help =
                 "How long one statement may take, its way to the server and back included. At most half of "
                 "worker.lease."},
        });
}

void add_worker_keys(std::vector<Key>& keys) {
    using W = work::Options;
    keys.insert(
        keys.end(),
        {
            {.section = "worker",
             .name = "host",
             .type = Type::text,
             .target = at<&C::worker, &W::host>,
             .help = "This machine's name in claimed_by (memoird/HOST:PID:NONCE/...), without `/` and `:`. "
                     "Empty: the "
                     "machine's own."},
            {.section = "worker",
             .name = "poll_interval",
             .type = Type::duration,
             .target = at<&C::worker, &W::poll_interval>,
             .low = 10 * ms,
             .high = 1 * h,
             .help = "How often an idle process looks for work that no notification announced, once for all "
                     "lanes. "
                     "Shorter than lease."},
            {.section = "worker",
             .name = "lease",
             .type = Type::duration,
             .target = at<&C::worker, &W::lease>,
             .low = 1 * s,
             .high = 1 * d,
             .help = "How long a claim stands without a sign of life. A living process renews its claims at "
                     "least "
                     "three times in that span; those of a dead one are taken back after it. Use one value "
                     "for the "
                     "whole fleet; at least twice database.statement_timeout."},
            {.section = "worker",
             .name = "foreign_lease",
             .type = Type::duration,
             .target = at<&C::worker, &W::foreign_lease>,
             .low = 1 * s,
             .high = 7 * d,
             .help = "The same for claims of workers that are no memoird. They never renew theirs, so this "
                     "has to be "
                     "longer than their longest job."},
            {.section = "worker",
             .name = "max_attempts",
             .type = Type::integer,
             .target = at<&C::worker, &W::max_attempts>,
             .low = 1,
             .high = 1000,
             .live = true,
             .help = "How often a job is tried before it ends in `failed`. What a backend's outage "
                     "interrupts does "
                     "not count."},
            {.section = "worker",
             .name = "retry_base",
             .type = Type::duration,
             .target = at<&C::worker, &W::retry_base>,
             .low = 10 * ms,
             .high = 1 * h,
             .live = true,
             .help =
                 "The wait before the second attempt; it doubles with each further one, with some jitter."},
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
             .help = "How long one job, or one step of a job that checkpoints, may take before it is "
                     "cancelled and "
                     "counted as a failed attempt. Waiting for a turn at a model server does not count."},
            {.section = "worker",
             .name = "drain_timeout",
             .type = Type::duration,
             .target = at<&C::worker, &W::drain_timeout>,
             .low = 0,
             .high = 1 * h,
             .live = true,
             .help = "How long running jobs may go on after SIGTERM; then they are cancelled and handed back "
                     "without "
                     "an attempt."},
            {.section = "worker",
             .name = "listen",
             .type = Type::boolean,
             .target = at<&C::worker, &W::listen>,
             .help =
                 "Wake at once by NOTIFY, where `memoirctl schema apply` installed its trigger; else work is "
                 "found within poll_interval."},
            {.section = "worker",
             .name = "unconfigured",
             .type = Type::choice,
             .target = at<&C::worker, &W::complete_unconfigured>,
             .choices = {"leave", "complete"},
             .help =
                 "Jobs of kinds whose backend is not configured here: leave them for hosts that have one, or "
                 "complete them without doing anything (reprocess still stores its feedback)."},
            {.section = "worker",
             .name = "graph_absent",
             .type = Type::choice,
             .target = at<&C::worker, &W::leave_graph_absent>,
             .choices = {"complete", "leave"},
             .help = "Jobs of the graph's kinds where there is no [graph]: complete them without doing "
                     "anything, or "
                     "leave them for hosts of the fleet that have one."},
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
                                 .help = "The kinds of job that this lane serves. A kind is in one lane at "
                                         "most; one that is in none is "
                                         "not served by this process."},
                                {.section = "lanes.*",
                                 .name = "loops",
                                 .type = Type::integer,
                                 .target = in_lane<&L::loops>,
                                 .low = 1,
                                 .high = 512,
                                 .live = true,
                                 .help = "Worker loops: how many claims of this lane run at a time."},
                                {.section = "lanes.*",
                                 .name = "batch",
                                 .type = Type::integer,
                                 .target = in_lane<&L::batch>,
                                 .low = 1,
                                 .high = 1000,
                                 .live = true,
                                 .help = "How many jobs one claim takes at most."},
                            });
}

void add_embedding_keys(std::vector<Key>& keys) {
    keys.insert(
        keys.end(),
        {
            {.section = "embedding",
             .name = "provider",
             .type = Type::choice,
             .target = at<&C::embedding, &Embedding::provider>,
             .choices = {"onnx", "ollama", "openai", "tei"},
             .help = "Where texts become vectors: onnx in this process, or a server that speaks the API of "
                     "Ollama, "
                     "OpenAI (and compatible ones) or Text Embeddings Inference."},
            {.section = "embedding",
             .name = "model",
             .type = Type::text,
             .target = at<&C::embedding, &Embedding::model>,
             .may_be_empty = false,
             .help = "The model's name. Readers have to use the same model."},
            {.section = "embedding",
             .name = "model_dir",
             .type = Type::path,
             .target = at<&C::embedding, &Embedding::model_dir>,
             .help = "For onnx: the folder with model.onnx and tokenizer.json."},
            {.section = "embedding",
             .name = "dimension",
             .type = Type::integer,
             .target = at<&C::embedding, &Embedding::dimension>,
             .low = 1,
             .high = 65'535,
             .help = "Numbers in a vector. It has to be the model's and the index's."},
            {.section = "embedding",
             .name = "max_tokens",
             .type = Type::integer,
             .target = at<&C::embedding, &Embedding::max_tokens>,
             .low = 3,
             .high = 131'072,
             .help = "The most tokens that the model sees of a text; the rest is cut off."},
            {.section = "embedding",
             .name = "pooling",
             .type = Type::choice,
             .target = at<&C::embedding, &Embedding::pooling>,
             .choices = {"cls", "mean"},
             .help = "For onnx: how the tokens' vectors become one. It belongs to the model."},
            {.section = "embedding",
             .name = "threads",
             .type = Type::integer,
             .target = at<&C::embedding, &Embedding::threads>,
             .low = 0,
             .high = 1024,
             .help = "For onnx: how many single-threaded runs there are at a time, for all loops together. "
                     "0: as many "
                     "as the CPU affinity and the control group's quota allow."},
            {.section = "embedding",
             .name = "url",
             .type = Type::url,
             .target = at<&C::embedding, &Embedding::url>,
             .live = true,
             .help = "The base URL of the server, for every provider but onnx.",
             .sample = "http://localhost:11434"},
            {.section = "embedding",
             .name = "api_key",
             .type = Type::secret,
             .target = at<&C::embedding, &Embedding::api_key>,
             .live = true,
             .help = "The server's API key, from a file that only memoird can read or from a systemd "
                     "credential. It "
                     "is never sent over http:// beyond loopback.",
             .sample = "/etc/memoird/embedding-api-key"},
            {.section = "embedding",
             .name = "timeout",
             .type = Type::duration,
             .target = at<&C::embedding, &Embedding::timeout>,
             .low = 100 * ms,
             .high = 1 * h,
             .live = true,
             .help = "How long one call to the server may take."},
            {.section = "embedding",
             .name = "ca_file",
             .type = Type::path,
             .target = at<&C::embedding, &Embedding::ca_file>,
             .live = true,
             .help =
                 "Certificates (PEM) to trust for https:// in place of the system's. Empty: the system's.",
             .sample = "/etc/memoird/ca.pem"},
            {.section = "onnx",
             .name = "library",
             .type = Type::path,
             .target = at<&C::onnx, &model::OnnxOptions::library>,
             .help = "ONNX Runtime's shared library. Empty: the one that the package memoird-local-models "
                     "installs, "
                     "else the system's.",
             .sample = "/usr/lib/libonnxruntime.so"},
        });
}

void add_vector_keys(std::vector<Key>& keys) {
    using V = vector::Options;
    keys.insert(
        keys.end(),
        {
            {.section = "vector",
             .name = "backend",
             .type = Type::choice,
             .target = at<&C::vector, &V::backend>,
             .choices = {"qdrant", "postgres"},
             .help =
                 "Where vectors go: qdrant, which the library's readers search, or postgres: a table beside "
                 "memories, for trials and small installations."},
            {.section = "vector",
             .name = "url",
             .type = Type::url,
             .target = at<&C::vector, &V::url>,
             .may_be_empty = false,
             .help = "Qdrant's REST port (not its gRPC port, which is 6334 by default)."},
            {.section = "vector",
             .name = "collection",
             .type = Type::text,
             .target = at<&C::vector, &V::collection>,
             .may_be_empty = false,
             .help = "Qdrant's collection; it is created when missing."},
            {.section = "vector",
             .name = "timeout",
             .type = Type::duration,
             .target = at<&C::vector, &V::timeout>,
             .low = 100 * ms,
             .high = 1 * h,
             .help = "How long one call to Qdrant may take."},
            {.section = "vector",
             .name = "api_key",
             .type = Type::secret,
             .target = at<&C::vector, &V::api_key>,
             .help = "Qdrant's API key, from a file that only memoird can read or from a systemd credential. "
                     "It is "
                     "never sent over http:// beyond loopback.",
             .sample = "/etc/memoird/qdrant-api-key"},
            {.section = "vector",
             .name = "ca_file",
             .type = Type::path,
             .target = at<&C::vector, &V::ca_file>,
             .help =
                 "Certificates (PEM) to trust for https:// in place of the system's. Empty: the system's.",
             .sample = "/etc/memoird/ca.pem"},
        });
}

void add_classifier_keys(std::vector<Key>& keys) {
    using O = model::ClassifierOptions;
    keys.insert(keys.end(),
                {
                    {.section = "classifier",
                     .name = "provider",
                     .type = Type::choice,
                     .target = at<&C::classifier, &O::provider>,
                     .choices = {"onnx", "embedding"},
                     .live = true,
                     .help = "onnx: a zero-shot NLI model in this process. embedding: the nearest of the "
                             "label sentences, by "
                             "the embedder that is loaded anyway; less exact, and free."},
                    {.section = "classifier",
                     .name = "model_dir",
                     .type = Type::path,
                     .target = at<&C::classifier, &O::model_dir>,
                     .live = true,
                     .help = "For onnx: the folder with model.onnx and spm.model; config.json and "
                             "tokenizer.json are read "
                             "where present."},
                    {.section = "classifier",
                     .name = "threshold",
                     .type = Type::number,
                     .target = at<&C::classifier, &O::threshold>,
                     .low = 0,
                     .high = 1,
                     .live = true,
                     .help = "The score that the best label needs; below it a fact is `transient`."},
                    {.section = "classifier.labels",
                     .name = "*",
                     .type = Type::text,
                     .target = label,
                     .choices = {"preference", "identity", "workflow", "factual", "transient"},
                     .may_be_empty = false,
                     .live = true,
                     .help = "For embedding: the sentence that stands for this label.",
                     .sample = "The user likes or dislikes something."},
                });
}

void add_graph_keys(std::vector<Key>& keys) {
    using G = graph::Options;
    keys.insert(
        keys.end(),
        {
            {.section = "graph",
             .name = "url",
             .type = Type::url,
             .target = at<&C::graph, &G::url>,
             .may_be_empty = false,
             .schemes = "redis rediss unix",
             .help = "FalkorDB: redis://HOST:PORT, or unix:/path/of/the/socket."},
            {.section = "graph",
             .name = "name",
             .type = Type::text,
             .target = at<&C::graph, &G::name>,
             .may_be_empty = false,
             .help = "The name of the graph."},
            {.section = "graph",
             .name = "user",
             .type = Type::text,
             .target = at<&C::graph, &G::user>,
             .help = "The user to log in as. Empty: the server's default user."},
            {.section = "graph",
             .name = "password",
             .type = Type::secret,
             .target = at<&C::graph, &G::password>,
             .help = "The password, from a file that only memoird can read or from a systemd credential.",
             .sample = "/etc/memoird/graph-password"},
            {.section = "graph",
             .name = "timeout",
             .type = Type::duration,
             .target = at<&C::graph, &G::timeout>,
             .low = 100 * ms,
             .high = 1 * h,
             .help = "How long one query may take."},
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
             .help = "The least important events that are still written. No level writes what people said."},
            {.section = "log",
             .name = "format",
             .type = Type::choice,
             .target = at<&C::log, &L::format>,
             .choices = {"auto", "json", "text"},
             .help =
                 "auto: to the journal, with fields, when systemd started the process, else text. json: one "
                 "object a line."},
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
             .help = "Needed for an address beyond loopback: whoever reaches it can read the status page."},
        });
}

}  // namespace

const std::vector<Section>& sections() {
    static const std::vector<Section> table{
        {.name = "database", .help = "The PostgreSQL that holds memories and memory_jobs."},
        {.name = "worker", .help = "How jobs are claimed, retried and handed back."},
        {.name = "lanes.*",
         .help = "A lane is a set of kinds with its own loops and batch size, so that a slow model never "
                 "holds up "
                 "another kind. Naming any lane replaces all three default lanes."},
        {.name = "embedding", .help = "The model that turns texts into vectors."},
        {.name = "onnx", .help = "The runtime of the models that run in this process."},
        {.name = "vector", .help = "The vector index."},
        {.name = "extraction",
         .help =
             "The language model that finds facts. This section switches on the kinds extract and reprocess.",
         .enable = enable<&C::extraction>,
         .enabled = enabled<&C::extraction>},
        {.name = "relational",
         .help =
             "The language model that finds relations. This section switches on the kind relational_extract.",
         .enable = enable<&C::relational>,
         .enabled = enabled<&C::relational>},
        {.name = "classifier",
         .help = "What gives facts their category. This section switches on the kind categorize.",
         .enable = enable<&C::classifier>,
         .enabled = enabled<&C::classifier>},
        {.name = "classifier.labels",
         .help = "The sentences of the provider embedding; each has a default.",
         .enable = enable<&C::classifier>,
         .enabled = enabled<&C::classifier>},
        {.name = "graph",
         .help = "The knowledge graph. This section switches on the kind synthesize; without it the graph's "
                 "kinds "
                 "are handled as worker.graph_absent says.",
         .enable = enable<&C::graph>,
         .enabled = enabled<&C::graph>},
        {.name = "log", .help = "The events that are written."},
        {.name = "metrics", .help = "Metrics, health and the status page over HTTP."},
    };
    return table;
}

const std::vector<Key>& keys() {
    static const std::vector<Key> table = [] {
        std::vector<Key> all;
        add_database_keys(all);
        add_worker_keys(all);
        add_lane_keys(all);
        add_embedding_keys(all);
        add_vector_keys(all);
        add_chat_keys<&C::extraction>(all, "extraction");
        add_chat_keys<&C::relational>(all, "relational");
        add_classifier_keys(all);
        add_graph_keys(all);
        add_telemetry_keys(all);
        return all;
    }();
    return table;
}

}  // namespace memoir::config
