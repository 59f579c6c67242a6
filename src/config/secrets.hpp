#pragma once
// Secrets from the configuration itself (connection strings only), from files and from systemd credentials.
// A higher level replaces a lower one whatever its source; two sources on one level contradict each other.

#include <map>
#include <string>

#include "config/settings.hpp"

namespace memoir::config {

// For --print-config: where a secret came from.
struct SecretOrigin {
    Source source = Source::value;
    std::string named;  // the file or the credential
    Origin origin;
};

// Reads every secret that `settings` name into `config`. Returns them by base ("vector.api_key"), those
// included that could not be read: the problem is in `findings`.
std::map<std::string, SecretOrigin> resolve_secrets(const Sources& sources, const Settings& settings,
                                                    Config& config, Findings& findings);

}  // namespace memoir::config
