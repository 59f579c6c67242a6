#pragma once
// Text to vector. Same text, same vector; L2-normalised; no prefix on stored text.
// Thread safety: embed() may be called from several threads.

#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/failure.hpp"

namespace memoir::endpoint {
class Endpoint;
}

namespace memoir::model {

using Embedding = std::vector<float>;

class Embedder {
  public:
    virtual ~Embedder() = default;
    // One vector a text, in their order. All or nothing: throws Failure; the caller halves a batch that fails
    // for a reason of a job's own (job, permanent). Cancelled between micro-batches, and in HTTP calls at
    // once.
    virtual std::vector<Embedding> embed(std::span<const std::string> texts, std::stop_token stop) = 0;
    virtual int dimension() const = 0;
    // "BAAI/bge-small-en-v1.5": stored beside vectors of the postgres backend.
    virtual const std::string& model() const = 0;
    // The endpoint of an HTTP provider; null for the in-process one.
    virtual endpoint::Endpoint* endpoint() { return nullptr; }
};

}  // namespace memoir::model
