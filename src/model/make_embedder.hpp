#pragma once
// The embedder that the configuration names. Thread safety: function.

#include <memory>

#include "model/embedder.hpp"
#include "model/options.hpp"

namespace memoir::http {
class Client;
}
namespace memoir::telemetry {
class Log;
}

namespace memoir::model {

// Throws StartError for what can never work. `http` and `log` outlive the embedder.
std::unique_ptr<Embedder> make_embedder(const EmbeddingOptions& options, const OnnxOptions& onnx,
                                        http::Client& http, telemetry::Log& log);

}  // namespace memoir::model
