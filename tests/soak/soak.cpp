// A soak: agents write, memoirds work, a chaos driver breaks things; in the end everything has to be as if
// nothing had happened. usage: soak SECONDS [SEED] [HOSTS]. Prints a verdict and the seed; exit 0, or 1 when
// something is wrong. The same seed makes the same choices again.

#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>

#include "soak/agents.hpp"
#include "soak/chaos.hpp"
#include "soak/checker.hpp"

using namespace memoir::soak;

int main(int count, char** arguments) {
    const int seconds = count > 1 ? std::atoi(arguments[1]) : 120;
    const std::uint64_t seed = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : std::random_device()();
    const int hosts = count > 3 ? std::atoi(arguments[3]) : 3;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    std::printf("soak: seed %llu, %d s, %d memoirds\n", static_cast<unsigned long long>(seed), seconds,
                hosts);

    World world(seed, hosts);
    for (auto& host : world.hosts) world.start(host);
    Agents agents(world);
    {
        std::jthread writing([&](const std::stop_token& stop) { agents.run(stop); });
        std::jthread breaking([&](const std::stop_token& stop) { Chaos(world).run(stop); });
        std::this_thread::sleep_for(std::chrono::seconds(seconds));
    }
    std::printf("soak: chaos has ended, waiting for the queue\n");
    const bool quiet = settled(world, std::chrono::seconds(120));
    for (auto& host : world.hosts) world.exits.push_back(host.memoird->stop().value_or(-1));
    auto found = problems(world, agents);
    if (!quiet) found.insert(found.begin(), "the queue did not become empty within 120 s");

    for (const auto& [what, times] : world.diary.counts()) std::printf("  %4d × %s\n", times, what.c_str());
    std::printf("  %zu memories written and kept, %zu forgotten, %zu replies paid, %zu of them twice\n",
                agents.living().size(), agents.forgotten().size(), world.bill.calls(),
                world.bill.twice().size());
    for (const auto& problem : found) std::printf("PROBLEM: %s\n", problem.c_str());
    std::printf("soak: %s (seed %llu)\n", found.empty() ? "as it should be" : "FAILED",
                static_cast<unsigned long long>(seed));
    return found.empty() ? 0 : 1;
}
