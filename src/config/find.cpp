// Looking up keys of the table by the names that files, flags and the environment use.

#include <algorithm>

#include "config/keys.hpp"

namespace memoir::config {
namespace {

constexpr Source sources[]{Source::value, Source::file, Source::credential};
constexpr std::string_view prefix = "MEMOIRD_";
constexpr std::string_view lanes = "lanes.";

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

bool is_source_of(const Key& key, Source source, std::string_view name) {
    if (source != Source::value && key.type != Type::secret) return false;
    return name == std::string(key.name) + std::string(suffix(source));
}

}  // namespace

std::string_view suffix(Source source) {
    return source == Source::file ? "_file" : source == Source::credential ? "_credential" : "";
}

std::string Match::section() const {
    if (key->section == "lanes.*") return std::string(lanes) + instance;
    return std::string(key->section);
}
std::string Match::name() const {
    return (key->name == "*" ? instance : std::string(key->name)) + std::string(suffix(source));
}
std::string Match::base() const {
    return section() + "." + (key->name == "*" ? instance : std::string(key->name));
}
std::string Match::path() const {
    return section() + "." + name();
}

bool is_lane_name(std::string_view name) {
    return !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
}

std::optional<Match> find_key(std::string_view section, std::string_view name) {
    const bool lane = section.starts_with(lanes);
    const std::string_view instance = lane ? section.substr(lanes.size()) : std::string_view();
    if (lane && !is_lane_name(instance)) return std::nullopt;
    for (const Key& key : keys()) {
        if (key.section != (lane ? "lanes.*" : section)) continue;
        if (key.name == "*") {
            if (std::find(key.choices.begin(), key.choices.end(), name) != key.choices.end()) {
                return Match{&key, std::string(name), Source::value};
            }
            continue;
        }
        for (const Source source : sources) {
            if (is_source_of(key, source, name)) return Match{&key, std::string(instance), source};
        }
    }
    return std::nullopt;
}

std::optional<Match> find_path(std::string_view path) {
    const auto dot = path.rfind('.');
    if (dot == path.npos) return std::nullopt;
    return find_key(path.substr(0, dot), path.substr(dot + 1));
}

std::optional<Match> find_environment(std::string_view name) {
    if (!name.starts_with(prefix)) return std::nullopt;
    const std::string wanted = lower(name.substr(prefix.size()));
    if (lower(name) == name) return std::nullopt;
    // No section has an underscore in its name but classifier.labels, whose dot is one here.
    const auto matches = [&](std::string_view section, std::string_view key) -> std::optional<Match> {
        auto match = find_key(section, key);
        return match && environment_name(match->path()) == name ? match : std::nullopt;
    };
    if (wanted.starts_with("lanes_")) {
        const auto end = wanted.rfind('_');
        if (end <= 6) return std::nullopt;
        return matches(std::string(lanes) + wanted.substr(6, end - 6), wanted.substr(end + 1));
    }
    constexpr std::string_view labels = "classifier_labels_";
    if (wanted.starts_with(labels)) return matches("classifier.labels", wanted.substr(labels.size()));
    const auto end = wanted.find('_');
    if (end == wanted.npos) return std::nullopt;
    return matches(wanted.substr(0, end), wanted.substr(end + 1));
}

std::string environment_name(std::string_view path) {
    std::string name(prefix);
    for (const char c : path) {
        const bool letter = c >= 'a' && c <= 'z';
        name += letter ? static_cast<char>(c - 'a' + 'A') : c == '.' || c == '-' ? '_' : c;
    }
    return name;
}

std::vector<std::string> key_names(std::string_view section_pattern) {
    std::vector<std::string> names;
    for (const Key& key : keys()) {
        if (key.section != section_pattern) continue;
        if (key.name == "*") {
            names.insert(names.end(), key.choices.begin(), key.choices.end());
            continue;
        }
        for (const Source source : sources) {
            if (source == Source::value && key.type == Type::secret && !key.inline_secret) continue;
            if (source != Source::value && key.type != Type::secret) continue;
            names.push_back(std::string(key.name) + std::string(suffix(source)));
        }
    }
    return names;
}

const std::vector<std::string>& fixed_paths() {
    static const std::vector<std::string> all = [] {
        std::vector<std::string> paths;
        for (const Section& section : sections()) {
            if (section.name == "lanes.*") continue;
            for (const std::string& name : key_names(section.name)) {
                paths.push_back(std::string(section.name) + "." + name);
            }
        }
        return paths;
    }();
    return all;
}

}  // namespace memoir::config
