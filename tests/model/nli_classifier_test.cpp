#include "model/nli_classifier.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/failure.hpp"
#include "local_models.hpp"
#include "nli_model.hpp"
#include "support/recording_log.hpp"

using namespace memoir;
using namespace memoir::model;

namespace {

nlohmann::json golden() {
    std::ifstream file(TEST_DATA_DIR "/nli_scores.json");
    return nlohmann::json::parse(file)["cases"];
}

ClassifierOptions test_options() {
    ClassifierOptions options;
    options.model_dir = test::nli_directory();
    return options;
}

NliClassifier& classifier() {
    static NliClassifier one(test_options(), test::onnx_options());
    return one;
}

// The recorded logits are those of a CPU with these instructions; others round int8 products differently.
bool cpu_like_the_recorded() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);)
        if (line.find("avx512_vnni") != std::string::npos) return true;
    return false;
}

// The recording of the runtime in use; those of other versions differ by up to 0.1.
std::string field_of(const std::string& version, const nlohmann::json& item) {
    const auto own = "logits_ort_" + version;
    return item.contains(own) ? own : "logits";
}

// A folder with links to the test model's files and a config.json of its own.
class ModelFolder {
  public:
    explicit ModelFolder(const std::string& config, bool tokenizer = true)
        : path_(std::filesystem::temp_directory_path() / ("nli_test." + std::to_string(::getpid()))) {
        std::filesystem::remove_all(path_);
        std::filesystem::create_directory(path_);
        for (const auto* name : {"model.onnx", "spm.model", "tokenizer.json"})
            if (tokenizer || std::string(name) != "tokenizer.json")
                std::filesystem::create_symlink(test::nli_directory() + "/" + name, path_ / name);
        if (!config.empty()) std::ofstream(path_ / "config.json") << config;
    }
    ~ModelFolder() { std::filesystem::remove_all(path_); }
    ClassifierOptions options() const {
        ClassifierOptions options;
        options.model_dir = path_.string();
        return options;
    }
    std::string config() const { return path_ / "config.json"; }

  private:
    std::filesystem::path path_;
};

std::size_t entailment_in(const std::string& config) {
    return read_entailment_index(ModelFolder(config).config());
}

}  // namespace

TEST_CASE("gives the recorded logits and the winners that follow from them") {
    const bool exact = cpu_like_the_recorded() && classifier().runtime_version() == "1.26.0";
    const double tolerance = exact ? 1e-3 : 0.15;
    double most = 0;
    int compared = 0, beyond = 0;
    for (const auto& item : golden()) {
        const auto text = item["text"].get<std::string>();
        INFO(text << ", tolerance " << tolerance);
        const auto& expected = item[field_of(classifier().runtime_version(), item)];
        std::array<double, 5> wanted, found;
        for (std::size_t i = 0; i < categories.size(); ++i) {
            const auto logits = classifier().logits(text, categories[i]);
            REQUIRE(logits.size() == 2);
            const auto recorded = expected[i].get<std::vector<float>>();
            for (std::size_t j = 0; j < 2; ++j) {
                const double difference = std::abs(logits[j] - recorded[j]);
                most = std::max(most, difference);
                ++compared;
                if (difference > tolerance) ++beyond;
                CHECK(difference <= (exact ? tolerance : 0.25));
            }
            wanted[i] = recorded[0] - recorded[1];
            found[i] = logits[0] - logits[1];
        }
        const auto winner = std::max_element(wanted.begin(), wanted.end()) - wanted.begin();
        auto others = wanted;
        others[static_cast<std::size_t>(winner)] = -INFINITY;
        const double margin =
            wanted[static_cast<std::size_t>(winner)] - *std::max_element(others.begin(), others.end());
        // Each of the four logits that a comparison of two labels takes may be off.
        if (margin > 4 * tolerance)
            CHECK(std::max_element(found.begin(), found.end()) - found.begin() == winner);
    }
    // Without VNNI one of the 300 logits is 0.20 away.
    CHECK(beyond * 100 <= compared);
    std::cout << "nli: largest difference " << most
              << (exact ? " on the CPU recorded\n" : " on another CPU or runtime\n");
}

TEST_CASE("the label is the one with the highest probability of entailment") {
    std::size_t compared = 0;
    for (const auto& item : golden()) {
        std::vector<double> p;
        for (const auto label : categories)
            p.push_back(softmax_of(classifier().logits(item["text"].get<std::string>(), label), 0));
        const std::vector<std::string> texts{item["text"].get<std::string>()};
        CHECK(classifier().classify(texts, {}).front() == choose_category(p, 0.5));
        if (item["winner"]["by_p0"] == classifier().classify(texts, {}).front()) ++compared;
    }
    CHECK(compared >= 25);  // the recorded winners are of another version of the runtime
}

TEST_CASE("takes the sequence length from the model and the truncation from tokenizer.json") {
    CHECK(classifier().max_tokens() == 160);
    const ModelFolder bare("", false);
    const NliClassifier without(bare.options(), test::onnx_options());
    CHECK(without.max_tokens() == 160);
    const std::string text(5'000, 'x');
    CHECK(without.logits("I like tea. " + text, "preference") ==
          classifier().logits("I like tea. " + text, "preference"));
}

TEST_CASE("takes the entailment index from config.json") {
    CHECK(entailment_in("") == 0);
    CHECK(entailment_in(R"({"id2label":{"0":"entailment","1":"not_entailment"}})") == 0);
    CHECK(entailment_in(R"({"id2label":{"0":"not_entailment","1":"Entailment"}})") == 1);
    CHECK(entailment_in(R"({"label2id":{"contradiction":0,"neutral":1,"ENTAILMENT":2}})") == 2);
    CHECK(entailment_in(R"({"id2label":{"0":"LABEL_0","1":"LABEL_1"}})") == 0);
    CHECK(entailment_in("no json") == 0);
    CHECK(entailment_in("[1]") == 0);

    const ModelFolder turned(R"({"id2label":{"0":"not_entailment","1":"entailment"}})");
    NliClassifier other(turned.options(), test::onnx_options());
    CHECK(other.entailment_index() == 1);
    const auto text = golden()[0]["text"].get<std::string>();
    const std::vector<std::string> texts{text};
    // By the other output this model believes in no label at all, or in another one.
    CHECK(other.classify(texts, {}) != classifier().classify(texts, {}));
}

TEST_CASE("a threshold that nothing reaches makes everything transient") {
    auto options = test_options();
    options.threshold = 1.1;
    NliClassifier strict(options, test::onnx_options());
    const std::vector<std::string> texts{"I prefer dark mode.", "", "My name is Ana."};
    CHECK(strict.classify(texts, {}) == std::vector<std::string>(3, "transient"));
}

TEST_CASE("stops between two pairs") {
    std::stop_source stop;
    stop.request_stop();
    const std::vector<std::string> texts{"I prefer dark mode."};
    try {
        classifier().classify(texts, stop.get_token());
        FAIL("was not stopped");
    } catch (const Failure& failure) {
        CHECK(failure.type() == FailureType::cancelled);
    }
}

TEST_CASE("a config.json that names an output which the model does not have stops the start") {
    const ModelFolder folder(R"({"label2id":{"entailment":2}})");
    CHECK_THROWS_AS(NliClassifier(folder.options(), test::onnx_options()), StartError);
}

TEST_CASE("the factory loads it and says so") {
    test::RecordingLog log;
    CHECK(make_classifier(test_options(), test::onnx_options(), nullptr, log));
    const auto events = log.named("memoir.nli.loaded");
    REQUIRE(events.size() == 1);
    CHECK(events[0].field("max_tokens") == "160");
}
