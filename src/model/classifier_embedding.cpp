#include "model/classifier_embedding.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

#include "base/failure.hpp"

namespace memoir::model {

namespace {

// Chosen, with the softness below, on the part `choose` of tests/data/categorize_texts.json with
// bge-small-en-v1.5: of some twenty candidates a label those were dropped, one by one, that helped least.
constexpr std::array<std::string_view, categories.size()> default_sentences = {
    "The user likes one thing better than another, loves this, dislikes that, and wants it done this way.\n"
    "She enjoys tea, hates noise, prefers quiet rooms and likes her answers short.\n"
    "I like it, I love it, I hate it, I would rather have the other one, this is my favourite.\n"
    "He would rather have it quiet, is fond of old books, can't stand loud music, and wants short answers.\n"
    "I like short emails.\n"
    "They would rather stay at home.",
    "My name is Eva, I am a teacher from Spain, married with two children.\n"
    "I am a person with this name, this age, this job, this language and this family.\n"
    "The user is called Eva, was born in Spain, works as a teacher, has a sister and suffers from asthma.\n"
    "My name is, I am from, I work as, I live in, my family.\n"
    "The user has asthma.\n"
    "His surname is Novak.",
    "First do this, then do that, and finally check it. Do it every week.\n"
    "Instructions and rules for how a task is done: first, then, after that, always, never, every week.\n"
    "How the team does it: first this step, then the next one, an approval, a rule for every release, "
    "request and month.\n"
    "Before doing this, always do that. When it happens, do this first, then that.\n"
    "When the order is complete, pack it, label it and ship it.\n"
    "To book a room, ask the desk, fill in the form and wait for the mail.",
    "The thing is known to be so: it has so many parts, was built in that year, and means this.\n"
    "Did you know? The whale is a mammal, the tower is 300 metres high, and the war ended in 1945.\n"
    "Encyclopedia: the number, the date, the place and the definition of a thing.\n"
    "Linux was first released in 1991.\n"
    "A spider has eight legs.\n"
    "The train from the airport takes an hour.",
    "It is not working at the moment, today it is late.\n"
    "Right now, at the moment, today, tonight, in a few minutes, this morning.\n"
    "Right now, at the moment, today, in a few minutes, this morning.\n"
    "I am on my way home right now.\n"
    "The bus is late this morning.\n"
    "The kitchen is being painted this week."};

// How far apart two cosines are when one label is e times as likely as the other.
constexpr double softness = 0.015;

void normalize(Embedding& vector) {
    const double length = std::sqrt(std::inner_product(vector.begin(), vector.end(), vector.begin(), 0.0));
    if (length > 0)
        for (auto& value : vector) value = static_cast<float>(value / length);
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);)
        if (line.find_first_not_of(" \t\r") != std::string::npos) lines.push_back(line);
    return lines;
}

}  // namespace

std::string label_sentences(const ClassifierOptions& options, std::string_view label) {
    if (const auto set = options.labels.find(std::string(label)); set != options.labels.end())
        if (!lines_of(set->second).empty()) return set->second;
    const auto at = std::find(categories.begin(), categories.end(), label) - categories.begin();
    return std::string(default_sentences.at(static_cast<std::size_t>(at)));
}

EmbeddingClassifier::EmbeddingClassifier(const ClassifierOptions& options, Embedder& embedder)
    : options_(options), embedder_(embedder) {
    for (const auto& [label, sentences] : options.labels)
        if (std::find(categories.begin(), categories.end(), label) == categories.end())
            throw StartError("classifier.labels names no category that there is",
                             "preference, identity, workflow, factual or transient");
}

std::vector<Embedding> EmbeddingClassifier::labels(const std::stop_token& stop) {
    std::lock_guard lock(mutex_);
    if (!labels_.empty()) return labels_;
    std::vector<Embedding> vectors;
    for (const auto label : categories) {
        const auto sentences = lines_of(label_sentences(options_, label));
        Embedding mean(static_cast<std::size_t>(embedder_.dimension()), 0.0F);
        for (const auto& vector : embedder_.embed(sentences, stop))
            for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += vector.at(i);
        normalize(mean);
        vectors.push_back(std::move(mean));
    }
    return labels_ = std::move(vectors);
}

std::vector<std::string> EmbeddingClassifier::classify(std::span<const std::string> texts,
                                                       std::stop_token stop) {
    const auto known = labels(stop);
    std::vector<std::string> result;
    for (const auto& vector : embedder_.embed(texts, stop)) {
        std::array<float, categories.size()> cosines;
        std::array<double, categories.size()> scores;
        for (std::size_t i = 0; i < categories.size(); ++i)
            cosines[i] = static_cast<float>(
                std::inner_product(vector.begin(), vector.end(), known[i].begin(), 0.0) / softness);
        for (std::size_t i = 0; i < categories.size(); ++i) scores[i] = softmax_of(cosines, i);
        result.emplace_back(choose_category(scores, options_.threshold));
    }
    return result;
}

}  // namespace memoir::model
