// What does embedding cost? A realistic mix of texts through the embedder against one text at a time, with
// two threads and no spinning, and with the runtime's defaults; and the memory after 1,000 texts of mixed
// lengths.
//
// usage: bench_embedding [ROUNDS]. Each measurement runs in a child process of its own, and the three ways
// take turns, so that what else the machine does falls on all of them. The best round of each counts.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <random>
#include <stdexcept>

#include "model/local_models.hpp"
#include "model/onnx_embedder.hpp"

using namespace memoir;

namespace {

// What one child reports through its pipe.
struct Measured {
    double cpu_ms = 0, wall_ms = 0;  // a text
    double rss_mib = 0, peak_mib = 0;
};

std::string text_of(std::size_t words, std::mt19937& random) {
    static constexpr const char* vocabulary[] = {"the",   "user",    "prefers", "dark",   "mode",  "in",
                                                 "every", "editor",  "and",     "works",  "as",    "a",
                                                 "nurse", "near",    "lisbon",  "before", "lunch", "she",
                                                 "runs",  "quickly", "with",    "three",  "dogs",  "today"};
    std::string text;
    while (words-- > 0) text += std::string(vocabulary[random() % std::size(vocabulary)]) + " ";
    return text;
}

// Lognormal lengths, median 28 tokens, long tail to 254, and one text in 32 that is cut at 512.
std::vector<std::string> mix(std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::lognormal_distribution<double> length(std::log(28.0), 0.8);
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < count; ++i) {
        const auto tokens = i % 32 == 31 ? 600 : std::clamp<long>(std::lround(length(random)), 5, 254);
        texts.push_back(text_of(static_cast<std::size_t>(tokens) - 2, random));
    }
    return texts;
}

double cpu_milliseconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto ms = [](const timeval& time) {
        return 1e3 * static_cast<double>(time.tv_sec) + 1e-3 * static_cast<double>(time.tv_usec);
    };
    return ms(usage.ru_utime) + ms(usage.ru_stime);
}

double mib_of(const std::string& key) {
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);)
        if (line.rfind(key + ":", 0) == 0) return std::atof(line.c_str() + key.size() + 1) / 1024;
    return 0;
}

model::EmbeddingOptions options() {
    model::EmbeddingOptions options;
    options.model_dir = test::bge_directory();
    return options;
}

Measured timed(std::size_t texts, const std::function<void()>& pass) {
    pass();  // warms up: memory, caches, the clock of the cores
    constexpr int passes = 3;
    const auto begin = std::chrono::steady_clock::now();
    const auto cpu = cpu_milliseconds();
    for (int i = 0; i < passes; ++i) pass();
    const std::chrono::duration<double, std::milli> wall = std::chrono::steady_clock::now() - begin;
    const auto number = static_cast<double>(texts) * passes;
    return {(cpu_milliseconds() - cpu) / number, wall.count() / number, 0, 0};
}

Measured one_at_a_time(model::OnnxSession::Settings settings) {
    const auto tokenizer = model::WordPiece::load(test::bge_directory() + "/tokenizer.json");
    const model::OnnxSession session(model::OnnxRuntime::open(test::onnx_options()),
                                     test::bge_directory() + "/model.onnx", settings);
    const auto texts = mix(96, 1);
    return timed(texts.size(), [&] {
        for (const auto& text : texts) {
            const auto ids = tokenizer.encode(text, 512);
            const std::vector<std::int64_t> ones(ids.size(), 1), zeros(ids.size(), 0);
            const std::int64_t* inputs[] = {ids.data(), ones.data(), zeros.data()};
            session.run(1, static_cast<std::int64_t>(ids.size()), inputs);
        }
    });
}

Measured ours() {
    model::OnnxEmbedder embedder(options(), test::onnx_options());
    const auto texts = mix(96, 1);
    return timed(texts.size(), [&] { embedder.embed(texts, {}); });
}

Measured memory() {
    model::OnnxEmbedder embedder(options(), test::onnx_options());
    const auto texts = mix(1000, 2);
    for (std::size_t at = 0; at < texts.size(); at += 40)  // batches as the embed lane claims them
        embedder.embed(std::span(texts).subspan(at, std::min<std::size_t>(40, texts.size() - at)), {});
    return {0, 0, mib_of("VmRSS"), mib_of("VmHWM")};
}

Measured in_child(const std::function<Measured()>& work) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("no pipe");
    const pid_t child = fork();
    if (child == 0) {
        const auto measured = work();
        const auto written = write(ends[1], &measured, sizeof measured);
        _exit(written == sizeof measured ? 0 : 1);
    }
    close(ends[1]);
    Measured measured;
    const auto got = read(ends[0], &measured, sizeof measured);
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (got != sizeof measured || status != 0) throw std::runtime_error("a measurement failed");
    return measured;
}

void keep_best(Measured& best, const Measured& measured) {
    if (best.cpu_ms == 0 || measured.cpu_ms < best.cpu_ms) best.cpu_ms = measured.cpu_ms;
    if (best.wall_ms == 0 || measured.wall_ms < best.wall_ms) best.wall_ms = measured.wall_ms;
}

}  // namespace

int main(int count, char** arguments) {
    const int rounds = count > 1 ? std::atoi(arguments[1]) : 3;
    Measured two, defaults, own;
    for (int round = 0; round < rounds; ++round) {
        keep_best(two, in_child([] { return one_at_a_time({.threads = 2}); }));
        keep_best(own, in_child(ours));
        keep_best(defaults, in_child([] { return one_at_a_time({.library_defaults = true}); }));
    }
    const auto used = in_child(memory);
    std::printf("96 texts, lognormal lengths of median 28 tokens, three of them 512; best of %d rounds\n",
                rounds);
    std::printf("%-44s %10s %10s\n", "", "CPU/text", "wall/text");
    const auto row = [](const char* name, const Measured& measured) {
        std::printf("%-44s %7.2f ms %7.2f ms\n", name, measured.cpu_ms, measured.wall_ms);
    };
    row("one at a time, two threads, no spinning", two);
    row("one at a time, the runtime's defaults", defaults);
    row("memoird", own);
    std::printf("CPU time against two threads, no spinning:  %.2f of it (at most 0.75)\n",
                own.cpu_ms / two.cpu_ms);
    std::printf("CPU time against the defaults:              %.2f of it\n", own.cpu_ms / defaults.cpu_ms);
    std::printf("speed against two threads, no spinning:     %.2f x\n", two.wall_ms / own.wall_ms);
    std::printf("speed against the defaults:                 %.2f x (at least 2.5)\n",
                defaults.wall_ms / own.wall_ms);
    std::printf("RSS after 1,000 texts of mixed lengths:     %.0f MiB (at most 260), highest %.0f MiB\n",
                used.rss_mib, used.peak_mib);
}
