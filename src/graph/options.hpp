#pragma once
// The keys of [graph]: where the knowledge graph is. A value; config fills it, and a client copies it.

#include <chrono>
#include <string>

#include "base/secret.hpp"

namespace memoir::graph {

struct Options {
    std::string url = "redis://localhost:6379";  // FalkorDB
    std::string name = "memoir";
    std::string user;
    Secret password;
    std::string ca_file;  // for rediss://; empty: the system's
    std::chrono::milliseconds timeout{10'000};
    friend bool operator==(const Options&, const Options&) = default;
};

}  // namespace memoir::graph
