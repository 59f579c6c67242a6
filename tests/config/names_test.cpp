#include <catch2/catch.hpp>
#include <set>

#include "config/keys.hpp"
#include "config/nearest.hpp"

using namespace memoir::config;

TEST_CASE("counts insertions, deletions, replacements and swaps") {
    CHECK(edit_distance("lease", "lease") == 0);
    CHECK(edit_distance("leas", "lease") == 1);
    CHECK(edit_distance("leasee", "lease") == 1);
    CHECK(edit_distance("leese", "lease") == 1);
    CHECK(edit_distance("laese", "lease") == 1);
    CHECK(edit_distance("LEASE", "lease") == 0);
    CHECK(edit_distance("max-attempts", "max_attempts") == 0);
    CHECK(edit_distance("", "abc") == 3);
    CHECK(edit_distance("pool", "batch") == 5);
}

TEST_CASE("offers only names that are near") {
    const std::vector<std::string> names{"lease", "listen", "pool"};
    CHECK(nearest("leese", names) == "lease");
    CHECK(nearest("poll", names) == "pool");
    CHECK(nearest("kubernetes", names).empty());
    CHECK(nearest("", names).empty());
    CHECK(nearest(std::string(100'000, 'a'), names).empty());
}

TEST_CASE("every key has a variable of its own that leads back to it") {
    std::set<std::string> seen;
    for (const std::string& path : fixed_paths()) {
        const std::string name = environment_name(path);
        INFO(path << " " << name);
        CHECK(seen.insert(name).second);
        const auto match = find_environment(name);
        REQUIRE(match);
        CHECK(match->path() == path);
    }
    CHECK(environment_name("worker.lease") == "MEMOIRD_WORKER_LEASE");
    CHECK(find_environment("MEMOIRD_LANES_MY_LANE_LOOPS")->path() == "lanes.my_lane.loops");
    CHECK_FALSE(find_environment("MEMOIRD_LANES_LOOPS"));
    CHECK_FALSE(find_environment("MEMOIRD_"));
    CHECK_FALSE(find_environment("MEMOIRD_WORKER"));
    CHECK_FALSE(find_environment("MEMOIRD_worker_lease"));
}

TEST_CASE("every key explains itself, and its default is within its range") {
    Config config;
    for (const Section& section : sections()) {
        CHECK_FALSE(section.help.empty());
        if (section.optional()) section.enable(config);
    }
    for (const Key& key : keys()) {
        INFO(key.section << "." << key.name);
        CHECK(key.help.size() > 15);
        CHECK(key.help.back() == '.');
        const std::string instance = key.section == "lanes.*" ? "embed" : "factual";
        const Target target = key.target(config, instance);
        if (key.type == Type::duration) {
            const auto value = static_cast<double>(std::get<std::chrono::milliseconds*>(target)->count());
            CHECK((value >= key.low && value <= key.high && key.high > 0));
        } else if (key.type == Type::integer) {
            const int value = *std::get<int*>(target);
            CHECK((value >= key.low && value <= key.high && key.high > 0));
        } else if (key.type == Type::choice) {
            CHECK(key.choices.size() >= 2);
        } else if (key.type == Type::secret) {
            CHECK_FALSE(key.sample.empty());
        }
    }
}
