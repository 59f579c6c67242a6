// What does a commit cost in a large scope? Twenty triples into a scope of 10,000 entities and 30,000 edges
// of a real FalkorDB, with the entities loaded once a job, beside loading them for every name as the library
// does it; its round trips, and the memory that it takes. usage: bench_graph_commit [entities [rounds]]

#include <fstream>
#include <random>

#include "bench/bench.hpp"
#include "graph/graph.hpp"
#include "support/falkordb.hpp"
#include "support/recording_log.hpp"

using namespace memoir;

namespace {

constexpr int dimension = 384, triples = 20;
const memory::Scope scope{"a", "o", "u"};

std::vector<float> random_vector(std::minstd_rand& random) {
    std::normal_distribution<float> normal;
    std::vector<float> vector(dimension);
    for (auto& number : vector) number = normal(random);
    return vector;
}

void fill(graph::Graph& graph, int entities, std::minstd_rand& random) {
    constexpr int batch = 500;
    for (int from = 0; from < entities; from += batch) {
        graph::Addition addition{"seed", "2026-01-01T00:00:00+00:00", {}, {}, {}};
        for (int number = from; number < from + batch; ++number)
            addition.nodes.push_back({"entity " + std::to_string(number), random_vector(random)});
        graph.write(scope, addition, {});
    }
    for (int from = 0; from < entities; from += batch) {
        graph::Addition addition{"seed", "2026-01-01T00:00:00+00:00", {}, {}, {}};
        for (int number = from; number < from + batch; ++number)
            for (int edge = 1; edge <= 3; ++edge)
                addition.relations.push_back({"entity " + std::to_string(number),
                                              "entity " + std::to_string((number + edge * 7) % entities),
                                              "knows", 1});
        graph.write(scope, addition, {});
    }
}

// Of one job; `once`: the entities are loaded once and not for each of the forty names.
double commit(graph::Graph& graph, int round, bool once, std::minstd_rand& random) {
    const auto begun = Steady::now();
    graph::Addition addition{"pid " + std::to_string(round), "2026-02-01T00:00:00+00:00", {}, {}, {}};
    std::vector<graph::Line> lines;
    auto entities = graph.entities(scope, dimension, {});
    for (int number = 0; number < triples; ++number) {
        std::string names[2];
        for (int side = 0; side < 2; ++side) {
            const auto vector = random_vector(random);
            const auto name =
                "new " + std::to_string(round) + "." + std::to_string(number) + (side == 0 ? "s" : "o");
            if (!once) entities = graph.entities(scope, dimension, {});
            names[side] = entities.resolve(name, vector);
            addition.nodes.push_back({names[side], vector});
        }
        if (number % 4 == 0)
            lines.push_back({names[0], "WORKS_AT", {}});
        else
            addition.relations.push_back({names[0], names[1], "relation " + std::to_string(number % 5), 1});
    }
    for (auto& before : graph.lines(scope, std::move(lines), {})) {
        auto statements = graph::statements_of(before.edges);
        statements.push_back({addition.at, before.subject, addition.pid, 1, "works at"});
        graph::Line after{before.subject, before.type, graph::timeline(std::move(statements))};
        addition.lines.push_back({std::move(before), std::move(after)});
    }
    graph.write(scope, addition, {});
    return bench::seconds(begun);
}

double resident_mib() {
    std::ifstream status("/proc/self/statm");
    double pages = 0, resident = 0;
    status >> pages >> resident;
    return resident * 4'096 / (1 << 20);
}

}  // namespace

int main(int argc, char** argv) {
    const int entities = argc > 1 ? std::atoi(argv[1]) : 10'000;
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 3;
    if (!test::FalkorDb::available()) {
        std::fprintf(stderr, "there is no FalkorDB: scripts/fetch-falkordb\n");
        return 1;
    }
    test::FalkorDb server("--appendonly no");
    test::RecordingLog log;
    auto options = server.options();
    options.timeout = Milliseconds(60'000);
    graph::Client client(options, log);
    graph::Graph graph(client);
    std::minstd_rand random(3);
    graph.prepare({});
    fill(graph, entities, random);
    commit(graph, 0, true, random);
    const double idle = resident_mib();
    double most = idle;
    std::vector<double> ours, theirs;
    std::uint64_t trips = 0;
    for (int round = 1; round <= rounds; ++round) {
        const auto before = client.round_trips();
        ours.push_back(commit(graph, 2 * round, true, random));
        trips = client.round_trips() - before;
        most = std::max(most, resident_mib());
        theirs.push_back(commit(graph, 2 * round + 1, false, random));
        std::printf("round %d: once a job %.0f ms, once a name %.0f ms\n", round, ours.back() * 1'000,
                    theirs.back() * 1'000);
    }
    bench::figure("graph: commit of 20 triples, against loading for every name",
                  bench::median(theirs) / bench::median(ours), " x", bench::Wanted::at_least, 10);
    bench::figure("graph: round trips of a job of 20 triples", static_cast<double>(trips), "",
                  bench::Wanted::at_most, 6);
    bench::figure("graph: memory above idle for it", most - idle, " MiB", bench::Wanted::at_most, 100);
    return 0;
}
