#pragma once
// The C API's statuses as values of ours. Private to src/model. Thread safety: functions without state.

#include <onnxruntime_c_api.h>

#include <memory>
#include <string_view>

namespace memoir::model {

struct OnnxStatus {
    OrtErrorCode code = ORT_OK;
    bool out_of_memory = false;
    explicit operator bool() const { return code != ORT_OK; }  // true: it failed
};

// Takes the status and releases it. Its message is looked at, never kept: it may echo input.
OnnxStatus take(const OrtApi& api, OrtStatus* status);

// "ORT_INVALID_ARGUMENT"
std::string_view to_string(OrtErrorCode code);

// Owns one of the API's handles: OnnxHandle<OrtRunOptions> options(api.ReleaseRunOptions).
template <typename T>
using OnnxHandle = std::unique_ptr<T, void (*)(T*)>;

}  // namespace memoir::model
