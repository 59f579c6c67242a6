#pragma once
// The one table of what can be configured. Parsing, ranges, hints, environment names, --print-config, the
// example file and the man page all come from it, so they cannot differ. Defaults are not repeated here: they
// are what a default-constructed Config holds. Thread safety: constant tables.

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config.hpp"

namespace memoir::config {

enum class Type { text, integer, duration, boolean, number, list, choice, url, path, secret };

// Where the value of a key lives. Only `choice` keys have bool, Level or Format here: the value is then the
// index into `choices`.
using Target = std::variant<std::string*, int*, double*, bool*, std::chrono::milliseconds*,
                            std::vector<std::string>*, Secret*, telemetry::Level*, telemetry::Format*>;

struct Section {
    std::string_view name;  // "worker"; "lanes.*": one table for each name that the operator chooses
    std::string_view help;
    // Optional sections are absent by default, and naming one switches its stages on.
    void (*enable)(Config&) = nullptr;
    bool (*enabled)(const Config&) = nullptr;
    // Copies it as a whole. Where there is one, SIGHUP switches the section on and off; else a restart does.
    void (*take)(const Config& from, Config& to) = nullptr;
    bool optional() const { return enable != nullptr; }
};

struct Key {
    std::string_view section = {};
    std::string_view name = {};  // "*": one key for each of `choices` (the labels)
    Type type = Type::text;
    // `instance` is the name in place of the `*` of section or name. Called only while the section is enabled
    // and, for lanes, the lane exists.
    Target (*target)(Config&, std::string_view instance) = nullptr;
    double low = 0, high = 0;  // integers, numbers, and durations in milliseconds; inclusive
    std::vector<std::string_view> choices = {};  // of a choice; of the members of a list
    bool may_be_empty = true;                    // of texts, paths and URLs: empty means "not set"
    bool inline_secret = false;     // the value itself may stand in the file, not only the name of its source
    std::string_view schemes = {};  // of URLs, separated by spaces; empty: http https
    bool live = false;              // SIGHUP applies it; else it needs a restart
    bool refused = false;           // a reload that finds it changed is refused as a whole
    std::string_view help = {};
    std::string_view sample = {};  // shown in the example where the default is empty, as it would be written
};

const std::vector<Section>& sections();
const std::vector<Key>& keys();

// A secret is named by the key itself, by key_file, or by key_credential.
enum class Source { value, file, credential };
std::string_view suffix(Source source);  // "", "_file", "_credential"

struct Match {
    const Key* key = nullptr;
    std::string instance;  // in place of `*`
    Source source = Source::value;

    std::string section() const;  // "lanes.embed"
    std::string name() const;     // "api_key_file"
    std::string base() const;     // "vector.api_key": the same for all sources of a secret
    std::string path() const;     // "vector.api_key_file"
};

// By section and name, as a file has them: ("lanes.embed", "loops"). api_key itself is found as well, so that
// its problem can say what to write instead.
std::optional<Match> find_key(std::string_view section, std::string_view name);
// By path, as --set has it: "lanes.embed.loops".
std::optional<Match> find_path(std::string_view path);
// By the name of an environment variable: MEMOIRD_LANES_EMBED_LOOPS.
std::optional<Match> find_environment(std::string_view name);
std::string environment_name(std::string_view path);

bool is_lane_name(std::string_view name);  // [a-z0-9_-]{1,32}: it stands in claimed_by

// Names to offer for one that does not exist. With a fixed section name, e.g. "worker" or "lanes.*".
std::vector<std::string> key_names(std::string_view section_pattern);
const std::vector<std::string>& fixed_paths();  // every path without `*`, sources of secrets included

}  // namespace memoir::config
