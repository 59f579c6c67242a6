// The unit files as they are in the tree, judged by systemd's own tools. What a running service may and may
// not do is tried where a systemd runs: scripts/test-packages.

#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "work/options.hpp"

namespace {

const std::string folder = SOURCE_DIR "/systemd/";

std::string read(const std::string& name) {
    std::ifstream file(folder + name);
    REQUIRE(file);
    return {std::istreambuf_iterator<char>(file), {}};
}

// All assignments of a unit in their order, comments left out.
std::vector<std::pair<std::string, std::string>> settings(const std::string& name) {
    std::vector<std::pair<std::string, std::string>> all;
    std::ifstream file(folder + name);
    for (std::string line; std::getline(file, line);) {
        const auto equals = line.find('=');
        if (line.starts_with('#') || equals == std::string::npos) continue;
        all.emplace_back(line.substr(0, equals), line.substr(equals + 1));
    }
    return all;
}

std::string setting(const std::string& name, const std::string& key) {
    std::string found;
    for (const auto& [one, value] : settings(name))
        if (one == key) found = value;
    return found;
}

std::string with(std::string text, const std::string& from, const std::string& to) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
    return text;
}

int run(const std::string& command) {
    std::FILE* pipe = popen((command + " >/dev/null 2>&1").c_str(), "r");
    REQUIRE(pipe);
    return pclose(pipe);
}

}  // namespace

TEST_CASE("systemd finds an exposure of at most 1.1 in each unit") {
    const std::string unit = GENERATE("memoird.service", "memoird@.service");
    // The threshold counts tenths: 11 is 1.1.
    CHECK(run("systemd-analyze security --offline=true --no-pager --threshold=11 " + folder + unit) == 0);
    CHECK(run("systemd-analyze security --offline=true --no-pager --threshold=5 " + folder + unit) != 0);
}

TEST_CASE("the service restarts after failures for ever, and never on what only a person can mend") {
    CHECK(setting("memoird.service", "Type") == "notify");
    CHECK(setting("memoird.service", "Restart") == "on-failure");
    CHECK(setting("memoird.service", "RestartSec") == "2s");
    CHECK(setting("memoird.service", "StartLimitIntervalSec") == "0");
    CHECK(setting("memoird.service", "RestartPreventExitStatus") == "64 78");
    CHECK(setting("memoird.service", "LimitCORE") == "0");
    // Not 0: systemd 252 does not hand that to journald, which then keeps to its own limit.
    CHECK(setting("memoird.service", "LogRateLimitIntervalSec") == "30s");
    CHECK(setting("memoird.service", "LogRateLimitBurst") == "100000000");
    CHECK(setting("memoird.service", "SystemCallErrorNumber") == "EPERM");
    CHECK(setting("memoird.service", "MemoryDenyWriteExecute") == "yes");
}

TEST_CASE("systemd waits longer for the end than the default drain takes") {
    const auto timeout = std::chrono::seconds(std::stoi(setting("memoird.service", "TimeoutStopSec")));
    CHECK(timeout > memoir::work::Options{}.drain_timeout);
}

TEST_CASE("a reload checks the configuration before it signals") {
    std::vector<std::string> reloads;
    for (const auto& [key, value] : settings("memoird.service"))
        if (key == "ExecReload") reloads.push_back(value);
    REQUIRE(reloads.size() == 2);
    CHECK(reloads[0] == "/usr/bin/memoird --check-config --config /etc/memoird/memoird.toml");
    CHECK(reloads[1] == "/bin/kill -HUP $MAINPID");
}

TEST_CASE("the template is the service with a configuration and a socket of its own, and nothing else") {
    auto expected = settings("memoird.service");
    for (auto& [key, value] : expected) {
        value = with(value, "/etc/memoird/memoird.toml", "/etc/memoird/%i.toml");
        if (key == "RuntimeDirectory") value += "/%i";
        if (key == "Description") value += " (%i)";
    }
    CHECK(settings("memoird@.service") == expected);
}

TEST_CASE("the user that the units name is the one that sysusers makes") {
    CHECK(read("memoird.sysusers").find("\nu " + setting("memoird.service", "User") + " - ") !=
          std::string::npos);
}
