#pragma once
// memoirctl doctor over a configuration in which everything is well, and what a test makes of it.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/guarded.hpp"
#include "support/memoird.hpp"
#include "support/process.hpp"

namespace memoir::test {

struct Doctor {
    TestSchema schema{TestSchema::With::all};
    EmbeddingDouble embedder;
    std::string url = Cluster::shared().url();
    std::string folder = temporary_directory("doc");  // of the unit, and whatever a test puts there
    std::vector<std::string> settings{"vector.backend=postgres", "embedding.provider=ollama",
                                      "embedding.model=double",  "embedding.dimension=4",
                                      "worker.host=here",        "embedding.url=" + embedder.url()};
    std::map<std::string, std::string> environment{
        {"SYSTEMD_UNIT_PATH", folder}, {"http_proxy", ""}, {"https_proxy", ""}, {"all_proxy", ""},
        {"HTTPS_PROXY", ""},           {"ALL_PROXY", ""},  {"NO_PROXY", ""},    {"no_proxy", ""}};
    std::vector<std::string> before;  // what runs memoirctl: a shell that sets limits

    Doctor() {
        std::filesystem::copy_file(SOURCE_DIR "/systemd/memoird.service", folder + "/memoird.service");
        std::filesystem::create_directory(folder + "/multi-user.target.wants");
        std::filesystem::create_symlink(folder + "/memoird.service",
                                        folder + "/multi-user.target.wants/memoird.service");
    }
    ~Doctor() {
        std::error_code ignored;
        std::filesystem::remove_all(folder, ignored);
    }
    Doctor(const Doctor&) = delete;
    Doctor& operator=(const Doctor&) = delete;

    void set(const std::string& setting) { settings.push_back(setting); }
    // A drop-in of the unit.
    void edit_unit(const std::string& line) {
        std::filesystem::create_directories(folder + "/memoird.service.d");
        std::ofstream(folder + "/memoird.service.d/override.conf") << "[Service]\n" << line << "\n";
    }
    Finished run(bool as_json) {
        auto all = before;
        all.insert(all.end(), {memoirctl_PROGRAM, "--set", "database.url=" + url, "--set",
                               "database.schema=" + schema.name(), "doctor"});
        if (as_json) all.emplace_back("--json");
        for (const auto& setting : settings) all.insert(all.end(), {"--set", setting});
        return test::run({all, environment, {}});
    }
    // The finding of one check, the last one of its name, and the exit code.
    struct Seen {
        nlohmann::json finding;
        int code = 0;
        std::string verdict() const { return finding.value("verdict", "absent"); }
        std::string hint() const { return finding.value("hint", ""); }
        std::string detail() const { return finding.value("detail", ""); }
    };
    Seen look(const std::string& check) {
        const auto finished = run(true);
        Seen seen{nlohmann::json::object(), finished.code};
        const auto answer = nlohmann::json::parse(finished.output, nullptr, false);
        if (answer.is_object())
            for (const auto& finding : answer["checks"])
                if (finding["check"] == check) seen.finding = finding;
        return seen;
    }
};

}  // namespace memoir::test
