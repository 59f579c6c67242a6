#pragma once
// Which entity of a scope a name means: the node whose embedding is nearest, at 0.75 or above, else a new
// node of that name (docs/contract.md, "Graph"). Pure but for the nodes that it adds. Thread safety: one
// thread.

#include <span>
#include <string>
#include <vector>

namespace memoir::graph {

constexpr float same_entity = 0.75F;  // cosine, in 32 bits (docs/contract.md, "Graph")

class Entities {
  public:
    // An embedding of another length than the deployment's, or of norm zero, is no candidate.
    Entities(int dimension) : dimension_(static_cast<std::size_t>(dimension)) {}
    void add(std::string name, std::vector<float> embedding);

    // The name of the node that is meant; nothing is added.
    const std::string& resolve(const std::string& name, std::span<const float> embedding) const;
    bool known(const std::string& name) const;  // added, by whatever embedding
    std::size_t size() const { return names_.size(); }

  private:
    std::size_t dimension_;
    std::vector<std::string> names_;
    std::vector<std::vector<float>> embeddings_;
};

}  // namespace memoir::graph
