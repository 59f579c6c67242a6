#pragma once
// The embedder that the configuration names. Thread safety: a function.

#include <memory>

#include "base/clock.hpp"
#include "model/embedder.hpp"
#include "model/options.hpp"

namespace memoir::http {
class Client;
}
namespace memoir::telemetry {
class Log;
}

namespace memoir::model {

// `client` and `log` must outlive the result. Throws StartError: an unknown provider, no usable URL, or what
// keeps the in-process model from being loaded. Loading that one takes a third of a second and 160 MB: build
// it only where a served kind embeds.
std::unique_ptr<Embedder> make_embedder(const EmbeddingOptions& options, const OnnxOptions& onnx,
                                        http::Client& client, telemetry::Log& log,
                                        const Clock& clock = Clock::real());

}  // namespace memoir::model
