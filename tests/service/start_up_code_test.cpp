#include "service/start_up_code.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <string>

namespace {

// kB of files' pages mapped into this process.
long mapped() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("RssFile:")) return std::stol(line.substr(8));
    return -1;
}

}  // namespace

TEST_CASE("what only the start needed leaves the process, which goes on") {
    const auto before = mapped();
    REQUIRE(before > 0);
    memoir::service::release_start_up_code();
    CHECK(mapped() < before);
    CHECK_THROWS_AS(std::stoi("no number"), std::invalid_argument);
    memoir::service::release_start_up_code();
}
