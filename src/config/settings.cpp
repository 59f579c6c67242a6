#include "config/settings.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/join.hpp"
#include "config/files.hpp"
#include "config/nearest.hpp"

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace memoir::config {
namespace {

// Variables that other parts of the project read; they are documented where they are used.
// Of the build and of the test suites (CONTRIBUTING.md), and of no key.
constexpr std::string_view others[]{"MEMOIRD_CACHE",      "MEMOIRD_WERROR",    "MEMOIRD_TEST_SCALE",
                                    "MEMOIRD_TEST_LIMIT", "MEMOIRD_CI_FULL",   "MEMOIRD_CI_PRESET",
                                    "MEMOIRD_POSTGRES",   "MEMOIRD_CI_MINUTES"};

const Section* find_section(std::string_view name) {
    for (const Section& section : sections()) {
        if (section.name == name) return &section;
    }
    return nullptr;
}

std::vector<std::string> section_names() {
    std::vector<std::string> names;
    for (const Section& section : sections()) {
        names.emplace_back(section.name == "lanes.*" ? "lanes" : section.name);
    }
    return names;
}

// The sections in which a key of this name exists: for keys that stand in the wrong one.
std::vector<std::string> paths_with(std::string_view name) {
    std::vector<std::string> found;
    for (const std::string& path : fixed_paths()) {
        if (path.substr(path.rfind('.') + 1) == name) found.push_back(path);
    }
    return found;
}

Complaint unknown_section(std::string_view name) {
    const std::string near = nearest(name, section_names());
    return {"there is no section [" + printable(name) + "]",
            near.empty() ? "the sections are " + join(section_names()) : "did you mean [" + near + "]?"};
}

class FileWalk {
  public:
    FileWalk(std::string file, Settings& settings, Findings& findings)
        : file_(std::move(file)), settings_(settings), findings_(findings) {}

    void walk(const std::string& path, const Node& table) {
        for (const Member& member : table.members) {
            const std::string full = path.empty() ? member.name : path + "." + member.name;
            const bool lane = path == "lanes";
            if (lane && !is_lane_name(member.name)) {
                findings_.problem(origin(member.at), {"this is not a valid lane name",
                                                      "up to 32 of a-z, 0-9, _ and -, as in [lanes.embed]"});
            } else if (lane || full == "lanes" || find_section(full) != nullptr) {
                section(full, member);
            } else {
                leaf(path, member);
            }
        }
    }

  private:
    Origin origin(Position at) const { return {Origin::Level::file, file_, at}; }

    void section(const std::string& path, const Member& member) {
        if (member.value.type == Node::Type::table) {
            settings_.named.emplace_back(path, origin(member.at));
            walk(path, member.value);
            return;
        }
        findings_.problem(origin(member.at),
                          {path + " is a section, not a key",
                           path == "lanes" ? "write a section for each lane: [lanes.embed]"
                                           : "write [" + path + "] and its keys below it"});
    }

    void leaf(const std::string& path, const Member& member) {
        if (auto match = find_key(path, member.name)) {
            settings_.all.push_back({std::move(*match), member.value, origin(member.value.at)});
        } else if (path.empty() && member.value.type == Node::Type::table) {
            findings_.problem(origin(member.at), unknown_section(member.name));
        } else {
            findings_.problem(origin(member.at), unknown_key(path, member.name));
        }
    }

    std::string file_;
    Settings& settings_;
    Findings& findings_;
};

void gather_file(const Sources& sources, Settings& settings, Findings& findings) {
    if (sources.file.empty()) return;
    const Origin whole{Origin::Level::file, sources.file, {}};
    std::string text;
    switch (const FileError error = read_file(sources.file, 1 << 20, text); error.kind) {
        case FileError::none:
            break;
        case FileError::missing:
            if (sources.file_required) {
                findings.problem(whole, {"the configuration file does not exist",
                                         "name another with --config FILE, or start from the example that is "
                                         "installed with memoird"});
            }
            return;
        case FileError::unreadable:
            if (sources.file_required)
                findings.problem(whole, {"the configuration file cannot be read: " + error.text,
                                         "it must be a file of at most 1 MiB that this user can read"});
            else
                findings.warning(whole, {"the configuration file cannot be read (" + error.text +
                                             "): only defaults, flags and environment variables apply",
                                         "name a file of your own with --config, or run this as root"});
            return;
    }
    if (const auto at = invalid_utf8(text)) {
        findings.problem({Origin::Level::file, sources.file, *at},
                         {"the file is not UTF-8", "save the file as UTF-8"});
        return;
    }
    auto read = sources.file.ends_with(".json") ? read_json(text) : read_toml(text);
    if (const auto* error = std::get_if<SyntaxError>(&read)) {
        findings.problem({Origin::Level::file, sources.file, error->at}, {error->text, error->hint});
        return;
    }
    const Node& root = std::get<Node>(read);
    if (root.type != Node::Type::table) {
        findings.problem({Origin::Level::file, sources.file, root.at},
                         {"the file is " + std::string(with_article(root.type)) + ", not an object",
                          "an empty configuration is {}"});
        return;
    }
    FileWalk(sources.file, settings, findings).walk("", root);
}

bool reads_as_toml(const Key& key, std::string_view text) {
    switch (key.type) {
        case Type::integer:
        case Type::number:
        case Type::boolean:
            return true;
        case Type::list:
            return text.starts_with('[');
        default:
            return text.starts_with('"') || text.starts_with('\'');
    }
}

// The value of a flag or variable: a TOML value, or for texts the bare text, and for lists names with commas
// between them. What does not parse is a text, and the key's type says what is wrong with it.
Node bare_value(const Key& key, const std::string& text) {
    if (reads_as_toml(key, text) && text.find_first_of("\n\r") == text.npos && !invalid_utf8(text)) {
        auto read = read_toml("value = " + text);
        if (auto* table = std::get_if<Node>(&read)) return std::move(table->members.front().value);
    }
    Node node;
    node.type = Node::Type::text;
    node.text = text;
    if (key.type != Type::list || text.starts_with('[')) return node;
    Node list;
    list.type = Node::Type::list;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        node.text = text.substr(begin, end - begin);
        const auto first = node.text.find_first_not_of(' ');
        node.text = first == node.text.npos
                        ? ""
                        : node.text.substr(first, node.text.find_last_not_of(' ') - first + 1);
        if (!node.text.empty()) list.items.push_back(node);
        begin = end + 1;
    }
    return list;
}

std::vector<std::string> environment_names(const Sources& sources) {
    std::vector<std::string> names;
    if (sources.environment_names) return sources.environment_names();
    if (sources.environment) {  // replaced, and cannot be listed: ask for every name there may be
        for (const std::string& path : fixed_paths()) names.push_back(environment_name(path));
        return names;
    }
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        const char* const equals = std::strchr(*entry, '=');
        if (equals != nullptr)
            names.emplace_back(std::string_view(*entry, static_cast<std::size_t>(equals - *entry)));
    }
    return names;
}

// A lane of the file may have a `-` in its name, which no variable can have.
void adopt_lane_name(Match& match, const Settings& settings) {
    for (const auto& [section, origin] : settings.named) {
        if (section.starts_with("lanes.") && environment_name(section) == environment_name(match.section())) {
            match.instance = section.substr(6);
        }
    }
}

void unknown_variable(const std::string& name, Findings& findings) {
    const Origin origin{Origin::Level::environment, printable(name), {}};
    std::vector<std::string> known;
    for (const std::string& path : fixed_paths()) known.push_back(environment_name(path));
    const std::string near = nearest(name, known);
    const bool ours = std::any_of(sections().begin(), sections().end(), [&](const Section& section) {
        const auto word = section.name.substr(0, section.name.find('.'));
        return name.starts_with(environment_name(word) + "_");
    });
    Complaint complaint{"this variable belongs to no key",
                        near.empty() ? "unset it; a variable's name is MEMOIRD_, the "
                                       "section, _ and the key, as in "
                                       "MEMOIRD_WORKER_LEASE"
                                     : "did you mean " + near + "?"};
    // Something else's variable must not stop a start; a key with a slip of the pen must.
    if (ours || !near.empty()) {
        findings.problem(origin, std::move(complaint));
    } else {
        findings.warning(origin, std::move(complaint));
    }
}

// What Kubernetes puts into the environment for a service called memoird, memoird-worker or the like: where
// it is, by host and port and in the older form of Docker's links.
bool is_of_a_service(std::string_view name, std::string_view value) {
    if (name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT")) return true;
    if (name.find("_SERVICE_PORT_") != name.npos) return true;
    constexpr std::string_view protocols[]{"TCP", "UDP", "SCTP"};
    if (name.ends_with("_PORT") && std::ranges::any_of(protocols, [&](std::string_view protocol) {
            return value.size() > protocol.size() && value.substr(protocol.size()).starts_with("://") &&
                   environment_name(value.substr(0, protocol.size())) == "MEMOIRD_" + std::string(protocol);
        }))
        return true;
    // _PORT_5432_TCP, and that with _PROTO, _PORT or _ADDR
    for (const std::string_view part : {"_PROTO", "_PORT", "_ADDR"})
        if (name.ends_with(part)) {
            name.remove_suffix(part.size());
            break;
        }
    for (const auto protocol : protocols) {
        if (!name.ends_with("_" + std::string(protocol))) continue;
        name.remove_suffix(protocol.size() + 1);
        const auto digits = name.find_last_not_of("0123456789");
        return digits != name.npos && digits + 1 < name.size() &&
               name.substr(0, digits + 1).ends_with("_PORT_");
    }
    return false;
}

void gather_environment(const Sources& sources, Settings& settings, Findings& findings) {
    std::vector<std::string> names = environment_names(sources);
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
        if (!name.starts_with("MEMOIRD_")) continue;
        if (std::find(std::begin(others), std::end(others), name) != std::end(others)) continue;
        const char* const value =
            sources.environment ? sources.environment(name.c_str()) : std::getenv(name.c_str());
        if (value == nullptr || *value == '\0') continue;  // set to nothing: not set
        if (auto match = find_environment(name)) {
            if (match->key->section == "lanes.*") adopt_lane_name(*match, settings);
            Node node = bare_value(*match->key, value);
            settings.all.push_back(
                {std::move(*match), std::move(node), {Origin::Level::environment, name, {}}});
        } else if (!is_of_a_service(name, value)) {
            unknown_variable(name, findings);
        }
    }
}

void gather_flags(const Sources& sources, Settings& settings, Findings& findings) {
    for (const std::string& set : sources.sets) {
        const auto equals = set.find('=');
        if (equals == set.npos || equals == 0) {
            findings.problem({Origin::Level::flag, "KEY=VALUE", {}},
                             {"--set needs a key and a value", "write --set worker.lease=30s"});
            continue;
        }
        const std::string path = set.substr(0, equals);
        const Origin origin{Origin::Level::flag, path, {}};
        if (auto match = find_path(path)) {
            Node node = bare_value(*match->key, set.substr(equals + 1));
            settings.all.push_back({std::move(*match), std::move(node), origin});
            continue;
        }
        const auto dot = path.rfind('.');
        const std::string section = dot == path.npos ? "" : path.substr(0, dot);
        const bool known =
            section.empty() || section.starts_with("lanes.") || find_section(section) != nullptr;
        findings.problem(origin, known ? unknown_key(section, path.substr(dot == path.npos ? 0 : dot + 1))
                                       : unknown_section(section));
    }
}

}  // namespace

Complaint unknown_key(std::string_view section, std::string_view name) {
    if (section == "lanes" || section.starts_with("lanes.")) {
        if (section != "lanes" && !is_lane_name(section.substr(6))) {
            return {"this is not a valid lane name",
                    "up to 32 of a-z, 0-9, _ and -, as in lanes.embed.loops"};
        }
        const auto names = key_names("lanes.*");
        const std::string near = nearest(name, names);
        return {"there is no key " + printable(section) + "." + printable(name),
                near.empty() ? "a lane has " + join(names) : "did you mean " + near + "?"};
    }
    if (section.empty()) {
        const auto elsewhere = paths_with(name);
        const std::string near = nearest(name, section_names());
        return {"there is no key " + printable(name) + " outside the sections",
                !elsewhere.empty() ? "did you mean " + elsewhere.front() + "?"
                : !near.empty()    ? "did you mean the section [" + near + "]?"
                                   : "the sections are " + join(section_names())};
    }
    const auto names = key_names(section);
    const auto elsewhere = paths_with(name);
    const std::string near = nearest(name, names);
    return {"there is no key " + printable(section) + "." + printable(name),
            !elsewhere.empty() ? "did you mean " + elsewhere.front() + "?"
            : !near.empty()    ? "did you mean " + near + "?"
                               : "[" + std::string(section) + "] has " + join(names)};
}

Settings gather(const Sources& sources, Findings& findings) {
    Settings settings;
    gather_file(sources, settings, findings);
    gather_environment(sources, settings, findings);
    gather_flags(sources, settings, findings);
    return settings;
}

}  // namespace memoir::config
