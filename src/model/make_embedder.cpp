#include "model/make_embedder.hpp"

#include "model/onnx_embedder.hpp"

namespace memoir::model {

std::unique_ptr<Embedder> make_embedder(const EmbeddingOptions& options, const OnnxOptions& onnx,
                                        http::Client&, telemetry::Log&) {
    if (options.provider == "onnx") return std::make_unique<OnnxEmbedder>(options, onnx);
    throw StartError("embedding.provider \"" + options.provider + "\" is not built into this version",
                     "use \"onnx\"");
}

}  // namespace memoir::model
