#pragma once
// The whole configuration of one process: read from TOML or JSON, environment and flags, validated as a
// whole, and handed to app/ and ctl/ as the option structs that each folder declares. Thread safety: values.

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
    std::string file;               // a name that ends in .json is JSON
    bool file_required = true;      // false: a missing file is an empty one (memoirctl without --config)
    std::vector<std::string> sets;  // KEY=VALUE of --set, in order
    std::function<const char*(const char*)> environment;  // default: getenv
};

struct Loaded {
    Config config;                  // meaningful only without problems
    std::vector<Problem> problems;  // all of them
    std::string printed;            // --print-config: TOML, each value with its origin, secrets hidden
};

Loaded load(const Sources& sources);

}  // namespace memoir::config
