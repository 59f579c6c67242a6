#pragma once
// The whole configuration of one process: read from TOML or JSON, environment and flags, validated as a
// whole, and handed to app/ and ctl/ as the option structs that each folder declares. Precedence: flag,
// environment, file, default. No problem, warning or printed text holds a secret. Thread safety: values.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "graph/options.hpp"
#include "model/options.hpp"
#include "pg/options.hpp"
#include "telemetry/metrics_options.hpp"
#include "telemetry/options.hpp"
#include "vector/options.hpp"
#include "work/options.hpp"

namespace memoir::config {

struct Config {
    pg::Options database;
    work::Options worker;
    model::EmbeddingOptions embedding;
    model::OnnxOptions onnx;
    vector::Options vector;
    std::optional<model::ChatOptions> extraction;
    std::optional<model::ChatOptions> relational;
    std::optional<model::ClassifierOptions> classifier;
    std::optional<graph::Options> graph;
    telemetry::LogOptions log;
    telemetry::MetricsOptions metrics;
};

struct Problem {
    std::string where;  // "file:line:column", "--set worker.lease", "MEMOIRD_WORKER_LEASE"
    std::string text;
    std::string hint;
    std::string to_string() const;  // "where: text\nHINT: hint"
};

struct Sources {
    std::string file;               // a name that ends in .json is JSON; empty: none
    bool file_required = true;      // false: one that is missing is empty, unreadable: a warning
    std::vector<std::string> sets;  // KEY=VALUE of --set, in order
    std::function<const char*(const char*)> environment;  // default: getenv
    // The names that `environment` has, for variables that match no key. Default: environ; with `environment`
    // replaced and this empty: the names of all keys but those of lanes.
    std::function<std::vector<std::string>()> environment_names;
    // Where credentials are looked for when CREDENTIALS_DIRECTORY is not set; memoirctl, run by root, finds
    // those of the running service in /run/credentials/memoird.service. Empty: nowhere.
    std::string credentials_directory;
    // memoirctl: a key of a model server, index or graph that this user may not read is a warning.
    bool lenient_secrets = false;
};

struct Loaded {
    Config config;                  // meaningful only without problems
    std::vector<Problem> problems;  // all of them, in the order of the file, then environment, then flags
    std::vector<Problem> warnings;  // what works, but probably not as meant
    std::string printed;  // --print-config: TOML that reads back, each value with its origin, secrets
                          // hidden; empty when there are problems
};

// Never throws for what it reads, and connects to nothing.
Loaded load(const Sources& sources);

// What differs, as paths ("worker.retry_base", "lanes.llm" for one that came or went, "graph" likewise).
// SIGHUP applies `live`; `restart` stays as it is until the process starts anew; a reload with anything in
// `refused` is none. Never values. What is which stands in the table of keys.
struct Changes {
    std::vector<std::string> live, restart, refused;
    Config applied;  // `before` with what is live of `after`
};
Changes changed_keys(const Config& before, const Config& after);
// What the rules that several keys together fulfil say of a Config that is half the running one and half
// the file's.
std::vector<Problem> broken_rules(const Config& config);

// The table of keys for people: the example file (config/memoird.toml is exactly this), or the man page
// memoird.toml(5).
enum class Format { example, man };
std::string describe(Format format);
// What --set takes, for completions: "worker.lease=", and a line for each value where only some are taken
// ("vector.backend=qdrant").
std::vector<std::string> settable();

}  // namespace memoir::config
