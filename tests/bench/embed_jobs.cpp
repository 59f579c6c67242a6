// How much of the embedding's speed is left when it comes as jobs? The engine with the real model and the
// postgres backend, from claim to settle, against the same texts through the embedder alone, in as many
// threads and batches. usage: bench_embed_jobs [texts [rounds]]

#include <atomic>
#include <cmath>
#include <random>
#include <thread>

#include "bench/bench.hpp"
#include "model/local_models.hpp"
#include "model/onnx_embedder.hpp"
#include "stages/embed.hpp"
#include "telemetry/sink_log.hpp"
#include "telemetry/stream_sink.hpp"
#include "vector/postgres_index.hpp"
#include "work/engine.hpp"

using namespace memoir;
using test::TestSchema;

namespace {

constexpr int loops = 2, batch = 32;

// Lengths as of real memories: lognormal, median 28 words, a long tail.
std::vector<std::string> texts_of(int count) {
    static constexpr const char* words[] = {"the", "user",   "prefers", "dark",  "mode", "in",    "every",
                                            "a",   "editor", "and",     "works", "as",   "nurse", "near"};
    std::mt19937 random(1);
    std::lognormal_distribution<double> length(std::log(26.0), 0.8);
    std::vector<std::string> texts;
    for (int i = 0; i < count; ++i) {
        std::string text;
        for (auto left = std::clamp<long>(std::lround(length(random)), 3, 252); left > 0; --left)
            text += std::string(words[random() % std::size(words)]) + " ";
        texts.push_back(text);
    }
    return texts;
}

double alone(model::Embedder& embedder, const std::vector<std::string>& texts) {
    std::atomic<std::size_t> next = 0;
    const auto begun = Steady::now();
    {
        std::vector<std::jthread> threads;
        for (int number = 0; number < loops; ++number)
            threads.emplace_back([&] {
                for (auto from = next.fetch_add(batch); from < texts.size(); from = next.fetch_add(batch))
                    embedder.embed(
                        std::span(texts).subspan(from, std::min<std::size_t>(batch, texts.size() - from)),
                        {});
            });
    }
    return static_cast<double>(texts.size()) / bench::seconds(begun);
}

double as_jobs(TestSchema& schema, model::Embedder& embedder, const std::vector<std::string>& texts,
               telemetry::Log& log) {
    schema.sql("truncate $schema.memories, $schema.memory_jobs cascade");
    schema.sql(
        "insert into $schema.memories (pid, agent_id, org_id, user_id, content) select 'm' || n, 'a', 'o', "
        "'u', t from unnest($1::text[]) with ordinality as x(t, n)",
        pg::Params().array(texts));
    schema.sql(
        "insert into $schema.memory_jobs (source_pid, kind, created_at) select pid, 'embed', "
        "now() + id * interval '1 ms' from $schema.memories order by id");
    schema.sql("vacuum analyze $schema.memory_jobs");
    pg::Pool pool(schema.options(), 8);
    vector::PostgresIndex index(pool, schema.name(), embedder.model(), embedder.dimension());
    stages::Embed stage(embedder, index, pool, schema.name(), log);
    work::Entry entry;
    entry.stage = &stage;
    work::EngineSettings settings;
    work::Options options;
    options.lanes = {{"embed", {"embed"}, loops, batch}};
    settings.schema = schema.name();
    settings.host = "bench";
    settings.additions.pending_index = true;
    settings.database = schema.options();
    work::Engine engine(settings, {options, {{"embed", entry}}}, pool, log);
    const auto begun = Steady::now();
    engine.start();
    engine.wake("");  // as the listener does when it has started
    while (engine.tally().succeeded < texts.size()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const auto rate = static_cast<double>(texts.size()) / bench::seconds(begun);
    engine.drain({});
    if (schema.number("select count(*) from $schema.memoird_vectors") !=
        static_cast<std::int64_t>(texts.size()))
        std::exit(2);
    return rate;
}

}  // namespace

int main(int argc, char** argv) {
    const auto texts = texts_of(argc > 1 ? std::atoi(argv[1]) : 960);
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
    test::Cluster cluster({.fsync = true, .config = {}});
    TestSchema schema(TestSchema::With::all, cluster);
    model::EmbeddingOptions options;
    options.model_dir = test::bge_directory();
    model::OnnxEmbedder embedder(options, test::onnx_options());
    std::FILE* sink = std::tmpfile();
    std::vector<double> ratios;
    {
        telemetry::SinkLog log(std::make_unique<telemetry::StreamSink>(sink, telemetry::Lines::json),
                               telemetry::Level::info);
        alone(embedder, texts);  // warms up
        for (int round = 0; round < rounds; ++round) {
            const auto before = alone(embedder, texts);
            const auto jobs = as_jobs(schema, embedder, texts, log);
            const auto after = alone(embedder, texts);
            ratios.push_back(2 * jobs / (before + after));
            std::printf("round %d: alone %.1f and %.1f texts/s, as jobs %.1f\n", round + 1, before, after,
                        jobs);
            std::fflush(stdout);
        }
    }
    std::fclose(sink);
    bench::figure("embed jobs, of the speed of the embedding alone", bench::median(ratios), "",
                  bench::Wanted::at_least, 0.9);
    return 0;
}
