// The table of keys for people: the commented example file, and the man page in roff.

#include <algorithm>

#include "base/join.hpp"
#include "base/roff.hpp"
#include "config/assign.hpp"
#include "config/command_line.hpp"
#include "config/duration.hpp"
#include "config/keys.hpp"

namespace memoir::config {
namespace {

// A Config in which every optional section has its defaults.
Config everything() {
    Config config;
    for (const Section& section : sections()) {
        if (section.optional()) section.enable(config);
    }
    return config;
}

// What the table knows besides the explanation: "10ms to 1h. Reloadable."
std::string facts(const Key& key) {
    std::string out;
    if (!key.choices.empty()) out = key.name == "*" ? "The labels are " : "One of ";
    if (key.type == Type::list && !key.choices.empty()) out = "Any of ";
    if (!key.choices.empty()) out += join(key.choices) + ".";
    const auto low = static_cast<std::int64_t>(key.low), high = static_cast<std::int64_t>(key.high);
    if (key.type == Type::duration) {
        out = "Range: " + format_duration(std::chrono::milliseconds(low)) + " to " +
              format_duration(std::chrono::milliseconds(high)) + ".";
    } else if (key.type == Type::integer || key.type == Type::number) {
        out = "Range: " + std::to_string(low) + " to " + std::to_string(high) + ".";
    }
    if (key.live) out += (out.empty() ? "" : " ") + std::string("Reloadable.");
    if (key.refused)
        out +=
            (out.empty() ? "" : " ") + std::string("A reload that would change it is rejected as a whole.");
    return out;
}

std::string help(const Section& section) {
    return std::string(section.help) + (section.take ? " A reload can add and remove it." : "");
}

// The value as it would be written, and whether that is the default.
struct Shown {
    std::string value;
    bool is_default = true;
};

Shown shown(const Key& key, Config& config, const std::string& instance) {
    if (key.type == Type::secret) {
        const std::string& value = std::get<Secret*>(key.target(config, instance))->reveal();
        return {toml_text(value), !value.empty()};
    }
    if (key.name == "*") return {toml_text(key.sample), false};
    const std::string value = as_toml(key, key.target(config, instance));
    if (value == "\"\"" && !key.sample.empty()) return {toml_text(key.sample), false};
    return {value, true};
}

std::string credential_name(const Key& key) {
    const std::string_view sample = key.sample;
    return std::string(sample.substr(sample.rfind('/') + 1));
}

class Example {
  public:
    std::string write() {
        comment(
            "memoird's configuration. Every value here is the default, so any line can be removed. A line that "
            "begins with # and a name is a setting that is not set. Durations have units: ms, s, m, h, d. Flags "
            "(--set worker.lease=30s) and variables (MEMOIRD_WORKER_LEASE=30s) override this file. `systemctl "
            "reload memoird` applies the keys that are marked as reloadable; the others need a restart. See "
            "memoird.toml(5); `memoird --check-config` reports mistakes, `memoird --print-config` shows the "
            "effective values and where each comes from.");
        for (const Section& section : sections()) {
            out_ += "\n\n";
            comment(help(section));
            off_ = section.optional() ? "#" : "";
            if (section.name != "lanes.*") {
                table(section, std::string(section.name), "", true);
                continue;
            }
            bool explain = true;
            for (const auto& lane : work::Options::default_lanes()) {
                table(section, "lanes." + lane.name, lane.name, explain);
                explain = false;
            }
        }
        return std::move(out_);
    }

  private:
    void comment(std::string_view text) {
        constexpr std::size_t width = 98;
        while (!text.empty()) {
            std::size_t end = text.size();
            if (end > width) end = text.rfind(' ', width);
            out_ += "# " + std::string(text.substr(0, end)) + "\n";
            text.remove_prefix(std::min(end + 1, text.size()));
        }
    }

    void table(const Section& section, const std::string& path, const std::string& instance, bool explain) {
        out_ += off_ + "[" + path + "]\n";
        bool first = true;
        for (const Key& key : keys()) {
            if (key.section != section.name) continue;
            if (explain) {
                if (!first) out_ += "\n";
                comment(key.help);
                comment(facts(key));
            }
            first = false;
            const std::string name(key.name == "*" ? key.choices.front() : key.name);
            const Shown value = shown(key, config_, instance);
            if (key.type != Type::secret || value.is_default) {
                out_ += (value.is_default ? off_ : "#") + name + " = " + value.value + "\n";
            }
            if (key.type != Type::secret) continue;
            if (key.inline_secret && !value.is_default) {
                out_ += "#" + name + " = \"postgresql://HOST/memoir\"\n";
            }
            out_ += "#" + name + "_file = " + toml_text(key.sample) + "\n";
            out_ += "#" + name + "_credential = " + toml_text(credential_name(key)) + "\n";
        }
    }

    Config config_ = everything();
    std::string off_;
    std::string out_;
};

class Man {
  public:
    std::string write() {
        page_.heading("DESCRIPTION");
        page_.text(
            "A configuration is TOML; a file whose name ends in .json is JSON with the same keys. A key that "
            "does not exist is an error. Every key can also be set by a flag (--set worker.lease=30s) or by "
            "a variable (MEMOIRD_WORKER_LEASE=30s); a flag overrides a variable, a variable the file, and "
            "the file the default.");
        page_.paragraph();
        page_.text(
            "Durations are strings with a unit: \"500ms\", \"30s\", \"10m\", \"2h\", \"7d\", \"1m30s\".");
        page_.paragraph();
        page_.text(
            "A secret is never shown. It is read from a file (KEY_file = \"/path\") that contains nothing "
            "else, or from a systemd credential (KEY_credential = \"name\"); the database's connection strings "
            "may also be in the configuration file itself.");
        page_.paragraph();
        page_.text(
            "`memoird --check-config` reports every problem of a file with its line and column; `memoird "
            "--print-config` shows the effective values and where each one comes from. After `systemctl "
            "reload` memoird applies the reloadable keys; it names the others in its log and keeps their old "
            "values.");
        for (const Section& section : sections()) {
            page_.heading("[" + std::string(section.name == "lanes.*" ? "lanes.NAME" : section.name) + "]");
            page_.text(help(section));
            for (const Key& key : keys()) {
                if (key.section == section.name) entry(section, key);
            }
        }
        page_.heading("FILES");
        page_.entry(page_.italic(default_file),
                    "What both programs read, unless --config names another file.");
        page_.heading("SEE ALSO");
        page_.see_also({"memoird(8)", "memoirctl(1)"});
        return std::move(page_).take();
    }

  private:
    void entry(const Section& section, const Key& key) {
        const std::string name(key.name == "*" ? "LABEL" : key.name);
        std::string names = name;
        if (key.type == Type::secret) {
            names = (key.inline_secret ? name + ", " : "") + name + "_file, " + name + "_credential";
        }
        page_.entry(page_.bold(names), key.help);
        const std::string known = facts(key);
        if (!known.empty()) page_.text(known);
        if (section.name == "lanes.*") {
            defaults_of_lanes(key);
        } else if (const Shown value = shown(key, config_, ""); value.is_default) {
            page_.text("Default: " + value.value);
        }
    }

    void defaults_of_lanes(const Key& key) {
        std::vector<std::string> all;
        for (const auto& lane : config_.worker.lanes)
            all.push_back(lane.name + " " + as_toml(key, key.target(config_, lane.name)));
        page_.text("Defaults: " + join(all, "; "));
    }

    Config config_ = everything();
    base::RoffPage page_{"memoird.toml", "5", "File formats", "configuration of memoird and memoirctl"};
};

// A name as it is typed: for `*` of a lane each default one, for secrets the name of each source.
std::vector<std::string> paths(const Key& key) {
    std::vector<std::string> sections{std::string(key.section)}, names;
    if (key.section == "lanes.*") {
        sections.clear();
        for (const auto& lane : work::Options::default_lanes()) sections.push_back("lanes." + lane.name);
    }
    if (key.name == "*")
        names.assign(key.choices.begin(), key.choices.end());
    else if (key.type != Type::secret)
        names.emplace_back(key.name);
    else
        for (const auto source : {Source::value, Source::file, Source::credential})
            if (source != Source::value || key.inline_secret)
                names.push_back(std::string(key.name) + std::string(suffix(source)));
    std::vector<std::string> all;
    for (const auto& section : sections)
        for (const auto& name : names) all.push_back(section + "." + name);
    return all;
}

}  // namespace

std::vector<std::string> settable() {
    std::vector<std::string> all;
    for (const Key& key : keys()) {
        std::vector<std::string_view> values{""};
        if (key.type == Type::choice) values = key.choices;
        if (key.type == Type::boolean) values = {"true", "false"};
        for (const auto& path : paths(key))
            for (const auto value : values) all.push_back(path + "=" + std::string(value));
    }
    return all;
}

std::string describe(Format format) {
    return format == Format::example ? Example().write() : Man().write();
}

}  // namespace memoir::config
