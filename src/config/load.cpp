// From sources to a Config: gather, switch sections on, assign, read secrets, fill in what depends on other
// keys, check the rules.

#include <algorithm>

#include "config/assign.hpp"
#include "config/draft.hpp"
#include "config/settings.hpp"

namespace memoir::config {
namespace {

using work::LaneOptions;

std::string lane_of(const Setting& setting) {
    return setting.match.key->section == "lanes.*" ? setting.match.instance : "";
}

void enable_sections(const Settings& settings, Draft& draft) {
    const auto enable = [&](std::string_view name) {
        for (const Section& section : sections()) {
            if (section.name == name && section.optional()) section.enable(draft.config);
        }
    };
    for (const auto& [name, origin] : settings.named) {
        draft.named.emplace(name, origin);
        enable(name);
    }
    for (const Setting& setting : settings.all) {
        enable(setting.match.key->section);
        draft.named.emplace(setting.match.section(), setting.origin);
    }
}

// A lane is named by a section of the file, or by its kinds in a flag or variable; naming one replaces the
// defaults. Loops and batch alone, in a flag or variable, change a lane that there is anyway.
void make_lanes(const Settings& settings, Draft& draft) {
    std::vector<LaneOptions> lanes;
    const auto add = [&lanes](const std::string& name) {
        const bool there =
            std::any_of(lanes.begin(), lanes.end(), [&](const LaneOptions& l) { return l.name == name; });
        if (there) return;
        // One that is named like a default lane is that lane, with its numbers where it names none.
        LaneOptions lane{name, {}, 1, 1};
        for (const LaneOptions& known : work::Options::default_lanes()) {
            if (known.name == name) lane = known;
        }
        lane.kinds.clear();
        lanes.push_back(std::move(lane));
    };
    for (const auto& [section, origin] : settings.named) {
        if (section.starts_with("lanes.")) add(section.substr(6));
    }
    for (const Setting& setting : settings.all) {
        if (!lane_of(setting).empty() && setting.match.key->name == "kinds") add(lane_of(setting));
    }
    draft.default_lanes = lanes.empty();
    if (draft.default_lanes) lanes = work::Options::default_lanes();
    for (const Setting& setting : settings.all) {
        if (!lane_of(setting).empty()) add(lane_of(setting));
    }
    draft.config.worker.lanes = std::move(lanes);
}

void assign_all(const Settings& settings, Draft& draft, Findings& findings) {
    for (const Setting& setting : settings.all) {
        if (setting.match.key->type == Type::secret) continue;
        const std::string base = setting.match.base();
        if (auto complaint = assign(draft.config, setting)) {
            Origin origin = setting.origin;
            if (complaint->at.line != 0 && origin.level == Origin::Level::file) origin.at = complaint->at;
            findings.problem(origin, std::move(*complaint));
            draft.broken.insert(base);
        } else {
            draft.origins[base] = setting.origin;
        }
    }
}

// The docs/contract.md, "Extraction".
void fill_in_provider(std::optional<model::ChatOptions>& options) {
    if (!options) return;
    struct Defaults {
        std::string_view provider, url, model;
    };
    constexpr Defaults table[]{{"ollama", "http://localhost:11434", "llama3.2:1b"},
                               {"openai", "https://api.openai.com", "gpt-4o-mini"},
                               {"anthropic", "https://api.anthropic.com", "claude-haiku-4-5"}};
    for (const Defaults& defaults : table) {
        if (options->provider != defaults.provider) continue;
        if (options->url.empty()) options->url = defaults.url;
        if (options->model.empty()) options->model = defaults.model;
    }
}

}  // namespace

Loaded load(const Sources& sources) {
    Findings findings;
    Draft draft;
    const Settings settings = gather(sources, findings);
    enable_sections(settings, draft);
    make_lanes(settings, draft);
    assign_all(settings, draft, findings);
    draft.secrets = resolve_secrets(sources, settings, draft.config, findings);
    for (const auto& [base, secret] : draft.secrets) draft.origins[base] = secret.origin;
    fill_in_provider(draft.config.extraction);
    fill_in_provider(draft.config.relational);
    check_rules(draft, sources, findings);

    Loaded loaded;
    loaded.problems = findings.problems();
    loaded.warnings = findings.warnings();
    if (findings.empty()) loaded.printed = print(draft);
    loaded.config = std::move(draft.config);
    return loaded;
}

}  // namespace memoir::config
