#pragma once
// Loads configurations that tests write down, from files in a folder of their own.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace memoir::test {

class ConfigFolder {
  public:
    ConfigFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "memoird-config-XXXXXX").string();
        if (mkdtemp(pattern.data()) == nullptr) std::abort();
        path_ = pattern;
    }
    ~ConfigFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    ConfigFolder(const ConfigFolder&) = delete;
    ConfigFolder& operator=(const ConfigFolder&) = delete;

    std::string path(const std::string& name) const { return path_ + "/" + name; }
    std::string write(const std::string& name, const std::string& content, int mode = 0600) const {
        std::filesystem::remove(path(name));
        std::ofstream(path(name), std::ios::binary) << content;
        std::filesystem::permissions(path(name), static_cast<std::filesystem::perms>(mode));
        return path(name);
    }

    // Nothing of the test's own environment gets in.
    std::map<std::string, std::string> environment;
    std::vector<std::string> sets;
    std::string credentials_directory;
    bool lenient = false;

    config::Loaded load_file(const std::string& file, bool required = true) const {
        config::Sources sources;
        sources.file = file;
        sources.file_required = required;
        sources.sets = sets;
        sources.environment = [this](const char* name) -> const char* {
            const auto found = environment.find(name);
            return found == environment.end() ? nullptr : found->second.c_str();
        };
        sources.environment_names = [this] {
            std::vector<std::string> names;
            for (const auto& [name, value] : environment) names.push_back(name);
            return names;
        };
        sources.credentials_directory = credentials_directory;
        sources.lenient_secrets = lenient;
        return config::load(sources);
    }
    config::Loaded load(const std::string& toml, const std::string& name = "memoird.toml") const {
        return load_file(write(name, toml));
    }

    // Paths of this folder shortened, so that what is expected can be written down.
    std::string relative(std::string text) const {
        for (std::size_t at = 0; (at = text.find(path_ + "/")) != text.npos;)
            text.erase(at, path_.size() + 1);
        return text;
    }

  private:
    std::string path_;
};

// All problems as text, for messages of failed assertions.
inline std::string all(const std::vector<config::Problem>& problems) {
    std::string out;
    for (const auto& problem : problems) out += problem.to_string() + "\n";
    return out;
}

// Every text of a result in which a secret could show up.
inline std::string everything_shown(const config::Loaded& loaded) {
    return all(loaded.problems) + all(loaded.warnings) + loaded.printed;
}

}  // namespace memoir::test
