#pragma once
// A Config in the making, with the origin of every value: what rules and --print-config work on.

#include <map>
#include <set>
#include <string>

#include "config/secrets.hpp"

namespace memoir::config {

struct Draft {
    Config config;
    std::map<std::string, Origin> origins;        // by base ("worker.lease"); absent: the default
    std::map<std::string, Origin> named;          // sections, by name ("lanes.embed")
    std::set<std::string> broken;                 // bases whose value had a problem: rules leave them alone
    std::map<std::string, SecretOrigin> secrets;  // by base
    bool default_lanes = true;                    // nobody named a lane

    Origin origin(const std::string& base) const {
        const auto found = origins.find(base);
        return found == origins.end() ? Origin{} : found->second;
    }
};

// Everything that several keys together must fulfil; each problem at the place that made it.
void check_rules(const Draft& draft, const Sources& sources, Findings& findings);

// --print-config.
std::string print(const Draft& draft);

}  // namespace memoir::config
