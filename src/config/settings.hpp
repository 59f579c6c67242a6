#pragma once
// Gathers what file, environment and flags say, before anybody asks whether the values make sense: every key
// is known, every value has its origin. Thread safety: one thread. Failures: findings.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "config/findings.hpp"
#include "config/keys.hpp"

namespace memoir::config {

struct Setting {
    Match match;
    Node value;
    Origin origin;
};

struct Settings {
    std::vector<Setting> all;  // lowest precedence first
    // Sections that the file names, empty ones included ("[graph]" alone switches the graph on).
    std::vector<std::pair<std::string, Origin>> named;
};

Settings gather(const Sources& sources, Findings& findings);

// What to say about a name that no key has.
Complaint unknown_key(std::string_view section, std::string_view name);

}  // namespace memoir::config
