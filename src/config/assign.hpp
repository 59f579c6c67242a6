#pragma once
// One value into the member that its key names, after checking its type and range. Secrets are not assigned
// here but in secrets.hpp. Thread safety: functions over the caller's Config. Failures: a Complaint.

#include <optional>

#include "config/settings.hpp"

namespace memoir::config {

// nullopt: done. Nothing is changed when there is a complaint.
std::optional<Complaint> assign(Config& config, const Setting& setting);

// `"30s"`, `8`, `["embed"]`: the value as TOML. For secrets: empty.
std::string as_toml(const Key& key, const Target& target);
std::string toml_text(std::string_view text);

}  // namespace memoir::config
