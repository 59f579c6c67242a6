#include <malloc.h>

#include "base/failure.hpp"
#include "model/onnx_runtime.hpp"
#include "model/onnx_status.hpp"

namespace memoir::model {
namespace {

constexpr const char* model_hint =
    "the package memoird-local-models brings the default models; the setting is model_dir of the role";

void check_load(const OrtApi& api, OrtStatus* status, const std::string& file) {
    if (const auto failed = take(api, status))
        throw StartError(file + " cannot be loaded: " +
                             (failed.out_of_memory ? "out of memory" : std::string(to_string(failed.code))),
                         model_hint);
}

void check_run(const OrtApi& api, OrtStatus* status) {
    const auto failed = take(api, status);
    if (!failed) return;
    if (failed.out_of_memory) throw Failure(FailureType::outage, "the model ran out of memory");
    throw Failure(FailureType::job, "the model's run failed: " + std::string(to_string(failed.code)));
}

OnnxPort::Type type_of(ONNXTensorElementDataType type) {
    if (type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64) return OnnxPort::Type::int64;
    return type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT ? OnnxPort::Type::float32 : OnnxPort::Type::other;
}

void read_shape(const OrtApi& api, const OrtTensorTypeAndShapeInfo* info, OnnxPort& port) {
    ONNXTensorElementDataType type{};
    std::size_t rank = 0;
    if (take(api, api.GetTensorElementType(info, &type)) || take(api, api.GetDimensionsCount(info, &rank)))
        return;
    port.type = type_of(type);
    port.shape.assign(rank, -1);
    take(api, api.GetDimensions(info, port.shape.data(), rank));
}

using GetName = OrtStatus*(ORT_API_CALL*)(const OrtSession*, std::size_t, OrtAllocator*, char**);
using GetInfo = OrtStatus*(ORT_API_CALL*)(const OrtSession*, std::size_t, OrtTypeInfo**);

OnnxPort read_port(const OrtApi& api, const OrtSession* session, std::size_t index, GetName get_name,
                   GetInfo get_info, const std::string& file) {
    OnnxPort port;
    OrtAllocator* allocator = nullptr;  // the library's own, not ours to free
    check_load(api, api.GetAllocatorWithDefaultOptions(&allocator), file);
    char* name = nullptr;
    check_load(api, get_name(session, index, allocator, &name), file);
    port.name = name;
    take(api, api.AllocatorFree(allocator, name));

    OrtTypeInfo* raw = nullptr;
    check_load(api, get_info(session, index, &raw), file);
    const OnnxHandle<OrtTypeInfo> info(raw, api.ReleaseTypeInfo);
    const OrtTensorTypeAndShapeInfo* tensor = nullptr;  // belongs to `info`; null for what is no tensor
    check_load(api, api.CastTypeInfoToTensorInfo(info.get(), &tensor), file);
    if (tensor != nullptr) read_shape(api, tensor, port);
    return port;
}

// Products of 8-bit weights are added up in 16 bits where the processor has no VNNI, and overflow there:
// scores come out wrong by more than what tells the labels apart. Then the runtime has to take the slower
// way.
bool needs_wide_sums() {
#if defined(__x86_64__)
    return !__builtin_cpu_supports("avx512vnni");
#else
    return false;
#endif
}

void apply(const OrtApi& api, OrtSessionOptions* options, const OnnxSession::Settings& settings,
           const std::string& file) {
    if (settings.library_defaults) return;
    check_load(api, api.SetIntraOpNumThreads(options, settings.threads), file);
    check_load(api, api.SetInterOpNumThreads(options, 1), file);
    const auto set = [&](const char* key, const char* value) {
        check_load(api, api.AddSessionConfigEntry(options, key, value), file);
    };
    set("session.intra_op.allow_spinning", settings.spin ? "1" : "0");
    set("session.inter_op.allow_spinning", "0");
    set("session.use_env_allocators", "1");
    if (needs_wide_sums()) set("session.x64quantprecision", "1");
    // A pattern is kept for each shape that was ever run, and takes its memory in one piece.
    check_load(api, api.DisableMemPattern(options), file);
}

}  // namespace

void OnnxSession::Release::operator()(OrtSession* session) const {
    api->ReleaseSession(session);
}

OnnxSession::OnnxSession(std::shared_ptr<OnnxRuntime> runtime, const std::string& file, Settings settings)
    : runtime_(std::move(runtime)) {
    const auto& api = runtime_->api();
    OrtSessionOptions* raw_options = nullptr;
    check_load(api, api.CreateSessionOptions(&raw_options), file);
    const OnnxHandle<OrtSessionOptions> options(raw_options, api.ReleaseSessionOptions);
    apply(api, options.get(), settings, file);

    OrtSession* raw_session = nullptr;
    check_load(api, api.CreateSession(runtime_->environment(), file.c_str(), options.get(), &raw_session),
               file);
    session_ = {raw_session, Release{&api}};

    std::size_t inputs = 0, outputs = 0;
    check_load(api, api.SessionGetInputCount(raw_session, &inputs), file);
    check_load(api, api.SessionGetOutputCount(raw_session, &outputs), file);
    for (std::size_t i = 0; i < inputs; ++i)
        inputs_.push_back(
            read_port(api, raw_session, i, api.SessionGetInputName, api.SessionGetInputTypeInfo, file));
    for (std::size_t i = 0; i < outputs; ++i)
        outputs_.push_back(
            read_port(api, raw_session, i, api.SessionGetOutputName, api.SessionGetOutputTypeInfo, file));
    malloc_trim(0);  // what loading took and freed: 30 MB of 190
}

OnnxTensor OnnxSession::run(std::int64_t rows, std::int64_t columns,
                            std::span<const std::int64_t* const> inputs, std::size_t output) const {
    const auto& api = runtime_->api();
    OrtMemoryInfo* raw_memory = nullptr;
    check_run(api, api.CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &raw_memory));
    const OnnxHandle<OrtMemoryInfo> memory(raw_memory, api.ReleaseMemoryInfo);

    const std::int64_t shape[] = {rows, columns};
    const auto bytes = static_cast<std::size_t>(rows * columns) * sizeof(std::int64_t);
    std::vector<OnnxHandle<OrtValue>> held;
    std::vector<const OrtValue*> values;
    std::vector<const char*> names;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        OrtValue* value = nullptr;
        // The API takes a writable pointer for tensors of either direction; a run only reads its inputs.
        check_run(
            api, api.CreateTensorWithDataAsOrtValue(memory.get(), const_cast<std::int64_t*>(inputs[i]), bytes,
                                                    shape, 2, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, &value));
        held.emplace_back(value, api.ReleaseValue);
        values.push_back(value);
        names.push_back(inputs_[i].name.c_str());
    }
    const char* output_name = outputs_.at(output).name.c_str();
    OrtValue* result = nullptr;
    check_run(api, api.Run(session_.get(), nullptr, names.data(), values.data(), values.size(), &output_name,
                           1, &result));

    OnnxTensor tensor;
    tensor.value_ = {result, api.ReleaseValue};
    OrtTensorTypeAndShapeInfo* raw_info = nullptr;
    check_run(api, api.GetTensorTypeAndShape(result, &raw_info));
    const OnnxHandle<OrtTensorTypeAndShapeInfo> info(raw_info, api.ReleaseTensorTypeAndShapeInfo);
    OnnxPort port;
    read_shape(api, info.get(), port);
    if (port.type != OnnxPort::Type::float32)
        throw Failure(FailureType::job, "the model's output is not of 32-bit floats");
    tensor.shape_ = std::move(port.shape);
    std::size_t count = 1;
    for (const auto dimension : tensor.shape_) count *= static_cast<std::size_t>(dimension);
    void* data = nullptr;
    check_run(api, api.GetTensorMutableData(result, &data));
    tensor.values_ = {static_cast<const float*>(data), count};
    return tensor;
}

}  // namespace memoir::model
