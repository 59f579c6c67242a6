// Accuracy and speed of the classifier that needs no model of its own, on labelled texts:
// bench_categorize [texts for the speed, 300]
// Accuracy is given for the texts that sentences and threshold were chosen on, and for those that were not
// looked at before: only the second figure says what to expect. Speed is against the embedder's own.

#include <chrono>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "bench/bench.hpp"
#include "model/classifier_embedding.hpp"
#include "model/local_models.hpp"
#include "model/onnx_embedder.hpp"

using namespace memoir;
using namespace memoir::model;

namespace {

struct Labelled {
    std::string text, label;
};

std::map<std::string, std::vector<Labelled>> parts() {
    std::ifstream file(TEST_DATA_DIR "/categorize_texts.json");
    const auto root = nlohmann::json::parse(file);
    std::map<std::string, std::vector<Labelled>> parts;
    for (const auto& item : root.at("cases"))
        parts[item["part"].get<std::string>()].push_back(
            {item["text"].get<std::string>(), item["label"].get<std::string>()});
    return parts;
}

void accuracy(Classifier& classifier, const std::string& part, const std::vector<Labelled>& cases) {
    std::vector<std::string> texts;
    for (const auto& item : cases) texts.push_back(item.text);
    const auto found = classifier.classify(texts, {});
    std::size_t right = 0;
    for (std::size_t i = 0; i < cases.size(); ++i) {
        if (found[i] == cases[i].label)
            ++right;
        else
            std::cout << "  " << part << ": " << cases[i].label << " taken for " << found[i] << ": "
                      << cases[i].text << '\n';
    }
    std::cout << part << ": " << right << " of " << cases.size() << " right\n";
}

template <typename Work>
double per_second(std::size_t count, Work&& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return static_cast<double>(count) /
           std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

int main(int argc, char** argv) {
    EmbeddingOptions options;
    options.model_dir = test::bge_directory();
    OnnxEmbedder embedder(options, test::onnx_options());
    ClassifierOptions classifier_options;
    classifier_options.provider = "embedding";
    EmbeddingClassifier classifier(classifier_options, embedder);

    const auto all = parts();
    for (const auto& [part, cases] : all) accuracy(classifier, part, cases);

    const std::size_t count = argc > 1 ? std::stoul(argv[1]) : 300;
    std::vector<std::string> texts;
    while (texts.size() < count)
        for (const auto& item : all.at("choose")) texts.push_back(item.text);
    texts.resize(count);
    std::cout << std::setprecision(3);
    std::vector<double> ratios;
    for (int round = 0; round < 5; ++round) {
        const auto embed = per_second(count, [&] { embedder.embed(texts, {}); });
        const auto classify = per_second(count, [&] { classifier.classify(texts, {}); });
        std::cout << "embed " << embed << " texts/s, categorize " << classify << " texts/s, ratio "
                  << classify / embed << '\n';
        ratios.push_back(classify / embed);
    }
    bench::figure("categorize by embedding, texts a second against embed's", bench::median(ratios), " x",
                  bench::Wanted::at_least, 0.9);
    return 0;
}
