#include "soak/checker.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "support/wait.hpp"

namespace memoir::soak {

using namespace memoir::test;

namespace {

// A reply that came this long around a disruption may have been lost on its way to the journal.
constexpr std::chrono::seconds before{2}, after{6};

std::int64_t number(World& world, const std::string& query, const pg::Params& params = {}) {
    return world.sql(query, params).integer(0, 0);
}

std::set<std::string> column(World& world, const std::string& query) {
    const auto rows = world.sql(query);
    std::set<std::string> values;
    for (int row = 0; row < rows.rows(); ++row) values.insert(rows.string(row, 0));
    return values;
}

void check_memories(World& world, const Agents& agents, std::vector<std::string>& found) {
    const auto stored = column(world,
                               "select pid from $schema.memories where kind = 'episodic' and pid like 'm%' "
                               "and metadata = '{}'");
    for (const auto& [name, written] : agents.living()) {
        if (!stored.contains(name)) {
            found.push_back("memory " + name + " is gone");
            continue;
        }
        const auto rows = world.sql(
            "select content from $schema.memories where source_pid = $1 and kind = 'semantic' and superseded_by "
            "is null and retirement_reason is null order by content",
            pg::Params().add(name));
        std::vector<std::string> active;
        for (int row = 0; row < rows.rows(); ++row) active.push_back(rows.string(row, 0));
        auto expected = facts(name, written.version);
        std::ranges::sort(expected);
        if (active != expected)
            found.push_back(fmt::format("memory {} (version {}) has the facts [{}]", name, written.version,
                                        fmt::join(active, ", ")));
        const auto feedback = number(
            world,
            "select count(*) from $schema.memories where kind = 'episodic' and metadata ->> 'origin' = 'feedback' "
            "and content like $1 || ' correction %'",
            pg::Params().add(name));
        if (feedback > written.corrections)
            found.push_back(fmt::format("memory {} was corrected {} times, and has {} feedback memories",
                                        name, written.corrections, feedback));
    }
}

void check_index(World& world, std::vector<std::string>& found) {
    std::map<std::string, int> points;
    for (const auto& point : world.qdrant.points()) ++points[point["payload"]["pid"].get<std::string>()];
    const auto active = column(world, "select pid from $schema.memories where retirement_reason is null");
    for (const auto& pid : active)
        if (!points.contains(pid)) found.push_back("memory " + pid + " has no point");
    for (const auto& [pid, count] : points) {
        if (count > 1) found.push_back(fmt::format("memory {} has {} points", pid, count));
        if (!active.contains(pid)) found.push_back("orphan point of " + pid);
    }
    const auto status = column(
        world,
        "select pid from $schema.memories where retirement_reason is null and qdrant_status <> 'indexed'");
    for (const auto& pid : status) found.push_back("memory " + pid + " is not marked as indexed");
}

void check_jobs(World& world, std::vector<std::string>& found) {
    const auto rows = world.sql(
        "select id, kind, state, attempts, coalesce(failure_reason, '-'), coalesce(claimed_by, '-') from "
        "$schema.memory_jobs");
    for (int row = 0; row < rows.rows(); ++row)
        found.push_back(fmt::format("job {} ({}) is left: {} after {} attempts, {}, {}", rows.string(row, 0),
                                    rows.string(row, 1), rows.string(row, 2), rows.string(row, 3),
                                    rows.string(row, 4), rows.string(row, 5)));
    const auto unearned = world.sql(
        "select job, reason from $schema.attempts where reason is null or not starts_with(reason, 'holder died: ')");
    for (int row = 0; row < unearned.rows(); ++row)
        found.push_back(fmt::format("job {} was charged an attempt that it did not earn: {}",
                                    unearned.string(row, 0), unearned.string(row, 1)));
}

void check_bill(World& world, std::vector<std::string>& found) {
    for (const auto& twice : world.bill.twice())
        if (!world.diary.disrupted(twice.first - before, twice.first + after))
            found.push_back("a reply was paid twice, and nothing had happened to the first one");
}

}  // namespace

bool settled(World& world, std::chrono::seconds limit) {
    return eventually(
        [&] {
            return number(world, "select count(*) from $schema.memory_jobs where state <> 'failed'") == 0;
        },
        limit);
}

std::vector<std::string> problems(World& world, const Agents& agents) {
    std::vector<std::string> found;
    check_memories(world, agents, found);
    check_index(world, found);
    check_jobs(world, found);
    check_bill(world, found);
    for (const auto code : world.exits)
        if (code != 0) found.push_back("a memoird that was told to stop ended with " + std::to_string(code));
    return found;
}

}  // namespace memoir::soak
