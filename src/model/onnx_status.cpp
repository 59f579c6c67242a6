#include "model/onnx_status.hpp"

#include <array>

namespace memoir::model {

OnnxStatus take(const OrtApi& api, OrtStatus* status) {
    if (status == nullptr) return {};
    OnnxStatus taken{api.GetErrorCode(status), false};
    // Running out of memory has no code of its own; these are the two texts of the allocators.
    const std::string_view message = api.GetErrorMessage(status);
    for (const std::string_view sign : {"bad_alloc", "Failed to allocate memory"})
        if (message.find(sign) != std::string_view::npos) taken.out_of_memory = true;
    api.ReleaseStatus(status);
    return taken;
}

std::string_view to_string(OrtErrorCode code) {
    static constexpr std::array<std::string_view, 12> names = {"ORT_OK",
                                                               "ORT_FAIL",
                                                               "ORT_INVALID_ARGUMENT",
                                                               "ORT_NO_SUCHFILE",
                                                               "ORT_NO_MODEL",
                                                               "ORT_ENGINE_ERROR",
                                                               "ORT_RUNTIME_EXCEPTION",
                                                               "ORT_INVALID_PROTOBUF",
                                                               "ORT_MODEL_LOADED",
                                                               "ORT_NOT_IMPLEMENTED",
                                                               "ORT_INVALID_GRAPH",
                                                               "ORT_EP_FAIL"};
    const auto index = static_cast<std::size_t>(code);
    return index < names.size() ? names[index] : "an unknown code";
}

}  // namespace memoir::model
