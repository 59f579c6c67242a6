#pragma once
// The real memoirctl on a schema of its own, with settings that a test adds to.

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "support/postgres.hpp"
#include "support/process.hpp"

namespace memoir::test {

struct CtlRig {
    TestSchema schema{TestSchema::With::all};
    std::vector<std::string> settings{"vector.backend=postgres"};

    Finished run(std::vector<std::string> arguments) {
        std::vector<std::string> all{memoirctl_PROGRAM, "--set", "database.url=" + Cluster::shared().url(),
                                     "--set", "database.schema=" + schema.name()};
        for (const auto& setting : settings) all.insert(all.end(), {"--set", setting});
        all.insert(all.end(), arguments.begin(), arguments.end());
        return memoir::test::run({all, {}, {}});
    }
    nlohmann::json answer(std::vector<std::string> arguments) {
        arguments.emplace_back("--json");
        const auto finished = run(arguments);
        INFO(finished.errors);
        REQUIRE(finished.code == 0);
        return nlohmann::json::parse(finished.output);
    }
    std::int64_t jobs(const std::string& kind) {
        return schema.number("select count(*) from $schema.memory_jobs where kind = $1",
                             pg::Params().add(kind));
    }
};

}  // namespace memoir::test
