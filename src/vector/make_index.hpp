#pragma once
// The index that the configuration names. Thread safety: a function.

#include <memory>
#include <string>

#include "vector/index.hpp"
#include "vector/options.hpp"

namespace memoir::pg {
class Pool;
}
namespace memoir::http {
class Client;
}
namespace memoir::telemetry {
class Log;
}

namespace memoir::vector {

// `model` and `dimension` are the embedder's, `schema` is the memories'. The index keeps references to pool,
// client and log. Throws StartError for a backend that is none.
std::unique_ptr<Index> make_index(const Options& options, int dimension, const std::string& model,
                                  const std::string& schema, pg::Pool& pool, http::Client& client,
                                  telemetry::Log& log);

}  // namespace memoir::vector
