#include "model/classifier.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "base/failure.hpp"
#include "model/classifier_embedding.hpp"
#include "support/recording_log.hpp"

using namespace memoir;
using namespace memoir::model;

namespace {

// Texts that begin with a label's name point in that label's direction, others between all of them.
class PointingEmbedder : public Embedder {
  public:
    std::vector<Embedding> embed(std::span<const std::string> texts, std::stop_token) override {
        ++calls;
        if (away) throw Failure(FailureType::outage, "away");
        std::vector<Embedding> vectors;
        for (const auto& text : texts) {
            Embedding vector(5, 0.0F);
            for (std::size_t i = 0; i < categories.size(); ++i)
                if (text.starts_with(categories[i])) vector[i] = 1;
            if (text == "nothing") vector.assign(5, std::sqrt(0.2F));
            if (text == "broken") vector.assign(5, NAN);
            vectors.push_back(vector);
        }
        return vectors;
    }
    int dimension() const override { return 5; }
    const std::string& model() const override { return name; }
    std::string name = "pointing";
    bool away = false;
    int calls = 0;
};

ClassifierOptions pointing_options() {
    ClassifierOptions options;
    options.provider = "embedding";
    for (const auto label : categories) options.labels[std::string(label)] = std::string(label) + " sentence";
    return options;
}

std::vector<std::string> classify(Classifier& classifier, std::vector<std::string> texts) {
    return classifier.classify(texts, {});
}

}  // namespace

TEST_CASE("the best label at the threshold wins, the first of equals") {
    const auto choose = [](std::array<double, 5> scores) { return choose_category(scores, 0.5); };
    CHECK(choose({0.1, 0.9, 0.6, 0.2, 0.3}) == "identity");
    CHECK(choose({0.1, 0.9, 0.9, 0.2, 0.9}) == "identity");
    CHECK(choose({0.5, 0.2, 0.2, 0.2, 0.3}) == "preference");
    CHECK(choose({0.1, 0.2, 0.2, 0.6, 0.3}) == "factual");
}

TEST_CASE("below the threshold and for NaN it is transient") {
    const auto choose = [](std::array<double, 5> scores) { return choose_category(scores, 0.5); };
    CHECK(choose({0.49, 0.4, 0.4, 0.4, 0.4}) == "transient");
    CHECK(choose({NAN, NAN, NAN, NAN, NAN}) == "transient");
    CHECK(choose({NAN, 0.2, 0.3, 0.4, 0.1}) == "transient");
    CHECK(choose({NAN, 0.2, 0.8, 0.4, 0.1}) == "workflow");
}

TEST_CASE("softmax is over all outputs and stands large ones") {
    CHECK(softmax_of(std::array{0.0F, 0.0F}, 0) == Approx(0.5));
    CHECK(softmax_of(std::array{2.04107F, -1.218215F}, 0) == Approx(0.963005).epsilon(1e-5));
    CHECK(softmax_of(std::array{1000.0F, 0.0F, 0.0F}, 0) == Approx(1.0));
    CHECK(softmax_of(std::array{1.0F, 1.0F, 1.0F}, 2) == Approx(1.0 / 3));
    CHECK(std::isnan(softmax_of(std::array{NAN, 0.0F}, 1)));
}

TEST_CASE("with the embedder the nearest label sentence wins") {
    PointingEmbedder embedder;
    EmbeddingClassifier classifier(pointing_options(), embedder);
    CHECK(classify(classifier, {"workflow of it", "identity", "transient"}) ==
          std::vector<std::string>{"workflow", "identity", "transient"});
}

TEST_CASE("with the embedder a text that is near to no label more than to others is transient") {
    PointingEmbedder embedder;
    EmbeddingClassifier classifier(pointing_options(), embedder);
    CHECK(classify(classifier, {"nothing", "broken"}) == std::vector<std::string>{"transient", "transient"});
    auto options = pointing_options();
    options.threshold = 0.1;
    EmbeddingClassifier eager(options, embedder);
    CHECK(classify(eager, {"nothing"}) == std::vector<std::string>{"preference"});
}

TEST_CASE("label sentences are embedded once, and again after a failure") {
    PointingEmbedder embedder;
    EmbeddingClassifier classifier(pointing_options(), embedder);
    embedder.away = true;
    CHECK_THROWS_AS(classify(classifier, {"identity"}), Failure);
    embedder.away = false;
    CHECK(classify(classifier, {"identity"}).front() == "identity");
    const int calls = embedder.calls;
    CHECK(classify(classifier, {"identity"}).front() == "identity");
    CHECK(embedder.calls == calls + 1);
}

TEST_CASE("a label's lines count together, a blank setting means ours") {
    auto options = pointing_options();
    options.labels["identity"] = "workflow line\nidentity one\n\nidentity two\n";
    PointingEmbedder embedder;
    EmbeddingClassifier classifier(options, embedder);
    CHECK(classify(classifier, {"identity", "workflow"}) == std::vector<std::string>{"identity", "workflow"});
    options.labels["identity"] = " \n";
    CHECK(label_sentences(options, "identity").find("name") != std::string::npos);
    for (const auto label : categories) CHECK(label_sentences({}, label).size() > 50);
}

TEST_CASE("what is no provider, label or model stops the start") {
    test::RecordingLog log;
    PointingEmbedder embedder;
    ClassifierOptions options;
    options.provider = "guess";
    CHECK_THROWS_AS(make_classifier(options, {}, &embedder, log), StartError);
    options.provider = "embedding";
    CHECK_THROWS_AS(make_classifier(options, {}, nullptr, log), StartError);
    options.labels["mood"] = "x";
    CHECK_THROWS_AS(make_classifier(options, {}, &embedder, log), StartError);
    options = {};
    options.model_dir = "/nonexistent";
    CHECK_THROWS_AS(make_classifier(options, {}, &embedder, log), StartError);
}
