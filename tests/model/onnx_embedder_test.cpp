#include "model/onnx_embedder.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/failure.hpp"
#include "model/local_models.hpp"

using namespace memoir;
using model::Embedding;
using model::OnnxEmbedder;
using nlohmann::json;

namespace {

model::EmbeddingOptions options() {
    model::EmbeddingOptions options;
    options.model_dir = test::bge_directory();
    return options;
}

OnnxEmbedder& bge() {
    static OnnxEmbedder embedder(options(), test::onnx_options());
    return embedder;
}

const json& reference() {
    static const json cases = [] {
        std::ifstream in(TEST_DATA_DIR "/bge_vectors.json");
        return json::parse(in)["cases"];
    }();
    return cases;
}

std::vector<std::string> texts() {
    std::vector<std::string> texts;
    for (const auto& one : reference()) texts.push_back(one["text"]);
    return texts;
}

double distance(const Embedding& a, const Embedding& b) {
    REQUIRE(a.size() == b.size());
    double most = 0;
    for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::fabs(double{a[i]} - double{b[i]}));
    return most;
}

Embedding alone(const std::string& text) {
    return bge().embed(std::span(&text, 1), {}).front();
}

// What a start says that cannot work; the problem and the hint on a line each.
std::string start_error(const model::EmbeddingOptions& options, const model::OnnxOptions& onnx) {
    try {
        OnnxEmbedder embedder(options, onnx);
    } catch (const StartError& error) {
        return error.what();
    }
    return "it started";
}

struct Directory {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("memoird-model-" + std::to_string(getpid()));
    Directory() { std::filesystem::create_directories(path); }
    ~Directory() { std::filesystem::remove_all(path); }
};

}  // namespace

TEST_CASE("gives the reference's vectors, all in one call") {
    const auto all = texts();
    REQUIRE(all.size() == 40);
    const auto vectors = bge().embed(all, {});
    REQUIRE(vectors.size() == all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        INFO("text " << i << " of " << reference()[i]["n_tokens"] << " tokens");
        CHECK(distance(vectors[i], reference()[i]["vector"].get<Embedding>()) < 1e-5);
        double squares = 0;
        for (const float value : vectors[i]) squares += double{value} * value;
        CHECK(std::fabs(squares - 1) < 1e-5);
    }
}

TEST_CASE("gives a text the same vector alone and in a batch") {
    const auto all = texts();
    const auto together = bge().embed(all, {});
    for (std::size_t i = 0; i < all.size(); i += 3) {
        INFO("text " << i);
        CHECK(distance(alone(all[i]), together[i]) < 1e-6);
    }
}

TEST_CASE("embeds the empty text as the bare frame of special tokens") {
    CHECK(distance(alone(""), alone(" \t\n")) == 0);
    CHECK(bge().embed({}, {}).empty());
}

TEST_CASE("cuts a long text at max_tokens") {
    std::string longer, longest;
    for (int i = 0; i < 600; ++i) longer += "word ";
    longest = longer + "and something that the model does not see";
    CHECK(distance(alone(longer), alone(longest)) == 0);
}

TEST_CASE("serves several threads at once with the same vectors") {
    const auto all = texts();
    const auto expected = bge().embed(std::span(all).first(12), {});
    std::vector<std::vector<Embedding>> results(4);
    {
        std::vector<std::jthread> callers;
        for (auto& result : results)
            callers.emplace_back([&] { result = bge().embed(std::span(all).first(12), {}); });
    }
    for (const auto& result : results) {
        REQUIRE(result.size() == expected.size());
        for (std::size_t i = 0; i < expected.size(); ++i) CHECK(distance(result[i], expected[i]) < 1e-6);
    }
}

TEST_CASE("stops between micro-batches when told to") {
    std::stop_source stop;
    stop.request_stop();
    const auto all = texts();
    try {
        bge().embed(all, stop.get_token());
        FAIL("it went on");
    } catch (const Failure& failure) {
        CHECK(failure.type() == FailureType::cancelled);
    }
}

TEST_CASE("pools by the mean of the text's own tokens, whatever shares its batch") {
    auto mean = options();
    mean.pooling = "mean";
    mean.threads = 1;
    OnnxEmbedder embedder(mean, test::onnx_options());
    CHECK(embedder.threads() == 1);
    const std::vector<std::string> pair = {"short",
                                           "a text that is rather longer than the other one in its batch"};
    const auto together = embedder.embed(pair, {});
    const auto single = embedder.embed(std::span(pair).first(1), {});
    CHECK(distance(together[0], single[0]) < 1e-6);
    CHECK(distance(together[0], alone("short")) > 1e-3);
}

TEST_CASE("stops the start with both numbers when the model has another dimension") {
    auto wrong = options();
    wrong.dimension = 768;
    const auto error = start_error(wrong, test::onnx_options());
    CHECK(error.find("dimension 384, the configuration says 768") != std::string::npos);
    CHECK(error.find("HINT: set embedding.dimension") != std::string::npos);
}

TEST_CASE("stops the start when max_tokens is more than the model takes") {
    auto wrong = options();
    wrong.max_tokens = 4096;
    const auto error = start_error(wrong, test::onnx_options());
    CHECK(error.find("does not run on 4096 tokens") != std::string::npos);
    CHECK(error.find("HINT: set embedding.max_tokens") != std::string::npos);
}

TEST_CASE("stops the start when model files are missing or broken, naming the package") {
    Directory directory;
    auto wrong = options();
    wrong.model_dir = directory.path;
    CHECK(start_error(wrong, test::onnx_options()).find("tokenizer.json cannot be read") !=
          std::string::npos);

    std::filesystem::copy_file(test::bge_directory() + "/tokenizer.json", directory.path / "tokenizer.json");
    auto error = start_error(wrong, test::onnx_options());
    CHECK(error.find("model.onnx cannot be loaded: ORT_NO_SUCHFILE") != std::string::npos);
    CHECK(error.find("memoird-local-models") != std::string::npos);

    std::ofstream(directory.path / "model.onnx") << "this is no model";
    CHECK(
        start_error(wrong, test::onnx_options()).find("model.onnx cannot be loaded: ORT_INVALID_PROTOBUF") !=
        std::string::npos);
}

TEST_CASE("stops the start when ONNX Runtime is missing or is something else, naming the package") {
    auto error = start_error(options(), {"/nonexistent/libonnxruntime.so"});
    CHECK(error.find("ONNX Runtime cannot be opened: /nonexistent/libonnxruntime.so") != std::string::npos);
    CHECK(error.find("HINT: install the package memoird-local-models") != std::string::npos);

    error = start_error(options(), {"libm.so.6"});
    CHECK(error.find("libm.so.6 is no ONNX Runtime") != std::string::npos);
}

TEST_CASE("looks for the library where the environment says, when the configuration is silent") {
    setenv("ONNXRUNTIME_LIBRARY", "/nonexistent/by-environment.so", 1);
    const auto error = start_error(options(), {});
    unsetenv("ONNXRUNTIME_LIBRARY");
    CHECK(error.find("/nonexistent/by-environment.so") != std::string::npos);
}

TEST_CASE("charges a failed run to the job, with a code of ours") {
    const auto runtime = model::OnnxRuntime::open(test::onnx_options());
    const model::OnnxSession session(runtime, test::bge_directory() + "/model.onnx");
    const std::vector<std::int64_t> bad(3, 99'999'999), ones(3, 1);
    const std::int64_t* inputs[] = {bad.data(), ones.data(), ones.data()};
    try {
        session.run(1, 3, inputs);
        FAIL("it ran");
    } catch (const Failure& failure) {
        CHECK(failure.type() == FailureType::job);
        CHECK(failure.reason() == "the model's run failed: ORT_INVALID_ARGUMENT");
    }
}

TEST_CASE("opens one environment for all in-process models and switches telemetry off") {
    const auto first = model::OnnxRuntime::open(test::onnx_options());
    const auto second = model::OnnxRuntime::open(test::onnx_options());
    CHECK(first.get() == second.get());
    CHECK(first->version() == "1.26.0");
    CHECK(std::string(getenv("ORT_DISABLE_TELEMETRY")) == "1");
}
