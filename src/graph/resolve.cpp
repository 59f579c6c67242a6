#include "graph/resolve.hpp"

#include <algorithm>

#include "vector/similarity.hpp"

namespace memoir::graph {

void Entities::add(std::string name, std::vector<float> embedding) {
    const bool usable = embedding.size() == dimension_ &&
                        std::any_of(embedding.begin(), embedding.end(), [](float x) { return x != 0; });
    names_.push_back(std::move(name));
    embeddings_.push_back(usable ? std::move(embedding) : std::vector<float>());
}

const std::string& Entities::resolve(const std::string& name, std::span<const float> embedding) const {
    const std::string* best = &name;
    float highest = -1;
    if (embedding.size() != dimension_) return name;
    for (std::size_t at = 0; at < names_.size(); ++at) {
        if (embeddings_[at].empty()) continue;
        const float score = vector::cosine(embedding, embeddings_[at]);
        if (!(score >= same_entity)) continue;
        // Of equals the smaller name, so that an answer repeats.
        if (score > highest || (score == highest && names_[at] < *best)) {
            highest = score;
            best = &names_[at];
        }
    }
    return *best;
}

bool Entities::known(const std::string& name) const {
    return std::ranges::find(names_, name) != names_.end();
}

}  // namespace memoir::graph
