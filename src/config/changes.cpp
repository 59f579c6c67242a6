#include <algorithm>

#include "config/assign.hpp"
#include "config/draft.hpp"
#include "config/keys.hpp"

namespace memoir::config {
namespace {

bool same(const Key& key, const Target& a, const Target& b) {
    if (key.type == Type::secret) return *std::get<Secret*>(a) == *std::get<Secret*>(b);
    return as_toml(key, a) == as_toml(key, b);
}

void copy(const Target& from, const Target& to) {
    std::visit([&](auto* value) { *std::get<decltype(value)>(to) = *value; }, from);
}

class Comparison {
  public:
    Comparison(const Config& before, const Config& after) : before_(before), after_(after) {
        changes_.applied = before;
    }

    Changes run() {
        for (const Section& section : sections()) {
            if (section.name == "lanes.*") {
                lanes();
            } else if (section.name == "classifier.labels") {
                labels();
            } else if (!section.optional() || (section.enabled(before_) && section.enabled(after_))) {
                keys_of(section.name, "");
            } else if (section.enabled(before_) != section.enabled(after_)) {
                switched(section);
            }
        }
        return std::move(changes_);
    }

  private:
    void changed(const Key& key, std::string path) {
        (key.refused ? changes_.refused
         : key.live  ? changes_.live
                     : changes_.restart)
            .push_back(std::move(path));
    }

    void switched(const Section& section) {
        (section.take ? changes_.live : changes_.restart).emplace_back(section.name);
        if (section.take) section.take(after_, changes_.applied);
    }

    void keys_of(std::string_view section, const std::string& instance) {
        for (const Key& key : keys()) {
            if (key.section != section) continue;
            const Target to = key.target(after_, instance);
            if (same(key, key.target(before_, instance), to)) continue;
            changed(key, Match{&key, instance, Source::value}.base());
            if (key.live && instance.empty()) copy(to, key.target(changes_.applied, instance));
        }
    }

    static bool has_lane(const Config& config, const std::string& name) {
        const auto& lanes = config.worker.lanes;
        return std::any_of(lanes.begin(), lanes.end(), [&](const auto& lane) { return lane.name == name; });
    }

    // All of a lane is live.
    void lanes() {
        for (const auto& lane : before_.worker.lanes) {
            if (has_lane(after_, lane.name)) {
                keys_of("lanes.*", lane.name);
            } else {
                changes_.live.push_back("lanes." + lane.name);
            }
        }
        for (const auto& lane : after_.worker.lanes) {
            if (!has_lane(before_, lane.name)) changes_.live.push_back("lanes." + lane.name);
        }
        changes_.applied.worker.lanes = after_.worker.lanes;
    }

    // And all of the labels.
    void labels() {
        if (!before_.classifier || !after_.classifier) return;
        const Key& key = *find_key("classifier.labels", "preference")->key;
        for (const std::string_view label : key.choices) {
            // Not through the key's target, which would create an empty sentence.
            const auto sentence = [&](const Config& config) {
                const auto found = config.classifier->labels.find(std::string(label));
                return found == config.classifier->labels.end() ? std::string() : found->second;
            };
            if (sentence(before_) != sentence(after_))
                changed(key, "classifier.labels." + std::string(label));
        }
        changes_.applied.classifier->labels = after_.classifier->labels;
    }

    Config before_, after_;  // copies: targets are reached through a Config that may change
    Changes changes_;
};

}  // namespace

Changes changed_keys(const Config& before, const Config& after) {
    return Comparison(before, after).run();
}

std::vector<Problem> broken_rules(const Config& config) {
    Draft draft;
    draft.config = config;
    Findings findings;
    check_rules(draft, {}, findings);
    return findings.problems();
}

}  // namespace memoir::config
