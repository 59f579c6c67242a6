// --print-config: TOML that reads back to the same Config, each value with its origin, secrets hidden.

#include <algorithm>

#include "config/addresses.hpp"
#include "config/assign.hpp"
#include "config/draft.hpp"

namespace memoir::config {
namespace {

class Printer {
  public:
    explicit Printer(const Draft& draft) : draft_(draft), config_(draft.config) {}

    std::string print() {
        for (const Section& section : sections()) {
            if (section.name == "lanes.*") {
                for (const auto& lane : draft_.config.worker.lanes)
                    table(section, "lanes." + lane.name, lane.name);
            } else if (section.name == "classifier.labels") {
                if (config_.classifier && !config_.classifier->labels.empty()) labels(section);
            } else if (!section.optional() || section.enabled(config_)) {
                table(section, std::string(section.name), "");
            } else {
                out_ += "# [" + std::string(section.name) + "] is not configured\n\n";
            }
        }
        out_.pop_back();  // the blank line after the last section
        return std::move(out_);
    }

  private:
    void line(const std::string& text, const std::string& origin) { lines_.emplace_back(text, origin); }

    // The origins stand below each other, as far as the values are short.
    void flush(const std::string& header) {
        constexpr std::size_t widest = 60;
        std::size_t width = 0;
        for (const auto& [text, origin] : lines_) {
            if (text.size() <= widest) width = std::max(width, text.size());
        }
        out_ += "[" + header + "]\n";
        for (const auto& [text, origin] : lines_) {
            out_ += text;
            out_.append(text.size() < width ? width - text.size() : 0, ' ').append("  # ").append(origin) +=
                '\n';
        }
        out_ += "\n";
        lines_.clear();
    }

    void table(const Section& section, const std::string& path, const std::string& instance) {
        for (const Key& key : keys()) {
            if (key.section != section.name) continue;
            const Match match{&key, instance, Source::value};
            if (key.type == Type::secret) {
                secret(match);
            } else {
                line(match.name() + " = " + as_toml(key, key.target(config_, instance)),
                     draft_.origin(match.base()).comment());
            }
        }
        flush(path);
    }

    void labels(const Section& section) {
        for (const auto& [name, sentence] : config_.classifier->labels) {
            line(name + " = " + toml_text(sentence), draft_.origin("classifier.labels." + name).comment());
        }
        flush(std::string(section.name));
    }

    void secret(const Match& match) {
        const Secret& value = *std::get<Secret*>(match.key->target(config_, match.instance));
        const auto found = draft_.secrets.find(match.base());
        // Connection strings are worth seeing, without what is secret in them.
        const std::string shown =
            toml_text(match.key->inline_secret ? show_connection(value.reveal()) : "(hidden)");
        if (found != draft_.secrets.end() && found->second.source != Source::value) {
            const SecretOrigin& origin = found->second;
            const Match named{match.key, match.instance, origin.source};
            line(named.name() + " = " + toml_text(origin.named), origin.origin.comment());
            line("# " + match.name() + " = " + shown, "from there");
        } else if (value.empty()) {
            line("# " + match.name() + " is not set", "default");
        } else {
            line(match.name() + " = " + shown, draft_.origin(match.base()).comment());
        }
    }

    const Draft& draft_;
    Config config_;  // a copy: targets are reached through a Config that may change
    std::string out_;
    std::vector<std::pair<std::string, std::string>> lines_;
};

}  // namespace

std::string print(const Draft& draft) {
    return Printer(draft).print();
}

}  // namespace memoir::config
