#include "config/secrets.hpp"

#include <algorithm>
#include <cstdlib>
#include <variant>

#include "config/addresses.hpp"
#include "config/files.hpp"

namespace memoir::config {
namespace {

constexpr std::size_t largest = 64 << 10;

struct Read {
    std::string value;
    bool world_readable = false;
};
using Outcome = std::variant<Read, Complaint>;

bool is_path(std::string_view text) {
    return text.starts_with('/') || text.starts_with("./") || text.starts_with("../");
}

// What a file of a secret holds: one line, with or without its end.
Outcome from_content(const std::string& what, std::string content, bool world_readable) {
    while (content.ends_with('\n') || content.ends_with('\r')) content.pop_back();
    if (content.empty()) return Complaint{what + " is empty", "write the secret into it, as its only line"};
    const bool clean = std::all_of(content.begin(), content.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte >= 0x20 && byte != 0x7F;
    });
    if (!clean) {
        return Complaint{what + " holds more than one line of text", "the secret is its only line"};
    }
    return Read{std::move(content), world_readable};
}

Outcome read_secret_file(const Match& match, const std::string& path) {
    // A key pasted in place of a path must not be quoted back.
    if (!is_path(path)) {
        return Complaint{match.path() + " is not an absolute path",
                         "write the full path of a file that contains the secret"};
    }
    const std::string what = "the file " + printable(path);
    std::string content;
    const FileError error = read_file(path, largest, content);
    if (error.kind == FileError::missing) {
        return Complaint{what + " does not exist",
                         "create it with the secret as its only line, readable only by memoird's user"};
    }
    if (error.kind == FileError::unreadable) {
        return Complaint{what + " cannot be read: " + error.text,
                         "let memoird's user read it (chown, chmod 0400), or use " + match.base() +
                             "_credential, which needs no such permission"};
    }
    return from_content(what, std::move(content), error.world_readable);
}

Outcome read_credential(const Sources& sources, const Match& match, const std::string& name) {
    const auto odd = [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return c == '/' || c == ':' || byte < 0x20 || byte == 0x7F;
    };
    if (name.empty() || name == "." || name == ".." || std::any_of(name.begin(), name.end(), odd)) {
        return Complaint{match.path() + " is not a valid credential name",
                         "write the name that stands before the colon in the unit's LoadCredential="};
    }
    const char* directory = sources.environment ? sources.environment("CREDENTIALS_DIRECTORY")
                                                : std::getenv("CREDENTIALS_DIRECTORY");
    if (directory == nullptr || *directory == '\0') directory = sources.credentials_directory.c_str();
    if (*directory == '\0') {
        // systemd gives the folder only to a unit that loads something; memoirctl run by a person has none
        // either.
        return Complaint{
            match.path() + " names the credential " + name + ", but this process was passed no credentials",
            "add LoadCredential=" + name +
                ":/path to the unit (systemctl edit memoird) and restart it; "
                "outside a unit, set CREDENTIALS_DIRECTORY to a folder that contains it, or use " +
                match.base() + "_file"};
    }
    const std::string what = "the credential named by " + match.path();
    std::string content;
    const FileError error = read_file(std::string(directory) + "/" + name, largest, content);
    if (error.kind == FileError::missing) {
        return Complaint{what + " does not exist",
                         "add LoadCredential=NAME:/path to the unit (systemctl edit memoird) and restart it"};
    }
    if (error.kind == FileError::unreadable) {
        return Complaint{what + " cannot be read: " + error.text,
                         "only the service's own user and root may read its credentials"};
    }
    return from_content(what, std::move(content), false);
}

Complaint not_inline(const Match& match) {
    const std::string name = match.name();
    return {match.path() + " must not be in the configuration itself",
            "write it to a file that only memoird's user can read and set " + name +
                "_file = \"/path\", or set " + name + "_credential to the name of a systemd credential"};
}

Outcome read(const Sources& sources, const Setting& setting) {
    const Match& match = setting.match;
    if (match.source == Source::value && !match.key->inline_secret) return not_inline(match);
    if (setting.value.type != Node::Type::text) {
        return Complaint{
            match.path() + " must be a string, not " + std::string(with_article(setting.value.type)),
            "write " + match.name() + " = \"...\", in quotes"};
    }
    const std::string& text = setting.value.text;
    if (invalid_utf8(text)) return Complaint{match.path() + " is not UTF-8", "write it as UTF-8"};
    if (match.source == Source::file) return read_secret_file(match, text);
    if (match.source == Source::credential) return read_credential(sources, match, text);
    if (text.empty() && match.key->may_be_empty) return Read{};
    return from_content(match.path(), text, false);
}

// The settings of one secret on its highest level; the last of each source counts.
std::vector<const Setting*> highest(const std::vector<const Setting*>& all) {
    const auto level = all.back()->origin.level;  // settings come lowest first
    std::vector<const Setting*> winners;
    for (const Setting* setting : all) {
        if (setting->origin.level != level) continue;
        std::erase_if(winners, [&](const Setting* w) { return w->match.source == setting->match.source; });
        winners.push_back(setting);
    }
    return winners;
}

void resolve(const Sources& sources, const Setting& setting, Config& config, Findings& findings) {
    const Match& match = setting.match;
    Outcome outcome = read(sources, setting);
    if (auto* complaint = std::get_if<Complaint>(&outcome)) {
        const bool inline_value = match.source == Source::value;
        if (sources.lenient_secrets && match.key->section != "database" && !inline_value) {
            findings.warning(setting.origin, std::move(*complaint));
        } else {
            findings.problem(setting.origin, std::move(*complaint));
        }
        return;
    }
    auto& found = std::get<Read>(outcome);
    if (found.world_readable) {
        findings.warning(setting.origin,
                         {"every user of this machine can read the file named by " + match.path(),
                          "chmod o-r it, and chown it to memoird's user"});
    }
    if (match.key->section == "database" && !found.value.empty()) {
        if (auto complaint = check_connection(match.base(), found.value)) {
            findings.problem(setting.origin, std::move(*complaint));
            return;
        }
    }
    *std::get<Secret*>(match.key->target(config, match.instance)) = Secret(std::move(found.value));
}

}  // namespace

std::map<std::string, SecretOrigin> resolve_secrets(const Sources& sources, const Settings& settings,
                                                    Config& config, Findings& findings) {
    std::map<std::string, std::vector<const Setting*>> by_base;
    for (const Setting& setting : settings.all) {
        if (setting.match.key->type == Type::secret) by_base[setting.match.base()].push_back(&setting);
    }
    std::map<std::string, SecretOrigin> origins;
    for (const auto& [base, all] : by_base) {
        const auto winners = highest(all);
        if (winners.size() > 1) {
            const Setting& later = *winners.back();
            findings.problem(later.origin, {later.match.path() + " and " + winners.front()->match.path() +
                                                " both name the same secret",
                                            "keep one of the two"});
        }
        // A key in the configuration is a leak whoever overrides it.
        for (const Setting* setting : all) {
            const bool overridden = setting != winners.back();
            if (overridden && setting->match.source == Source::value && !setting->match.key->inline_secret) {
                findings.problem(setting->origin, not_inline(setting->match));
            }
        }
        const Setting& winner = *winners.back();
        const bool named = winner.match.source != Source::value;
        origins[base] = {winner.match.source, named ? winner.value.text : "", winner.origin};
        resolve(sources, winner, config, findings);
    }
    return origins;
}

}  // namespace memoir::config
