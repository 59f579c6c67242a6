#include "model/onnx_runtime.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <mutex>

#include "base/failure.hpp"
#include "model/onnx_status.hpp"

namespace memoir::model {
namespace {

constexpr const char* library_hint =
    "install the package memoird-local-models, or set onnx.library to the libonnxruntime.so of ONNX Runtime "
    "1.21 or newer, or use an HTTP provider";

// The system's library under the name that its package keeps ("libonnxruntime.so.1.21"), where it was there
// when this was built; then the usual ones.
constexpr const char* system_names[] = {
#ifdef MEMOIRD_SYSTEM_ORT
    MEMOIRD_SYSTEM_ORT,
#endif
    "libonnxruntime.so.1", "libonnxruntime.so"};

struct Opened {
    void* handle = nullptr;
    std::string name;
};

std::string environment_library() {
    const char* value = std::getenv("ONNXRUNTIME_LIBRARY");
    return value != nullptr ? value : "";
}

// A library that somebody named is the one or none; only without a name is it looked for.
Opened open_library(const OnnxOptions& options) {
    std::string named = options.library.empty() ? environment_library() : options.library;
    const std::string own = MEMOIRD_PRIVATE_LIBDIR "/libonnxruntime.so";
    std::error_code ignored;
    if (named.empty() && std::filesystem::exists(own, ignored)) named = own;
    if (!named.empty()) {
        if (void* handle = dlopen(named.c_str(), RTLD_NOW | RTLD_LOCAL)) return {handle, named};
        const char* why = dlerror();
        throw StartError("ONNX Runtime cannot be opened: " + std::string(why != nullptr ? why : named),
                         library_hint);
    }
    for (const char* name : system_names)
        if (void* handle = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return {handle, name};
    throw StartError(
        "ONNX Runtime is not installed: no " + own + ", no libonnxruntime.so among the system's libraries",
        library_hint);
}

void ORT_API_CALL drop_message(void*, OrtLoggingLevel, const char*, const char*, const char*, const char*) {}

// One arena for all sessions. It grows by what a run asks for and not by powers of two, and leaves no chunk
// with more than 1 MiB unused: a quarter less memory after texts of mixed lengths, at the same speed. Without
// it (an older environment that already has one) sessions only take more memory.
void register_arena(const OrtApi& api, OrtEnv* environment) {
    static constexpr const char* keys[] = {"max_mem", "arena_extend_strategy", "max_dead_bytes_per_chunk"};
    static constexpr std::size_t same_as_requested = 1;
    static constexpr std::size_t values[] = {0, same_as_requested, std::size_t{1} << 20};
    OrtArenaCfg* raw_arena = nullptr;
    if (take(api, api.CreateArenaCfgV2(keys, values, std::size(keys), &raw_arena))) return;
    const OnnxHandle<OrtArenaCfg> arena(raw_arena, api.ReleaseArenaCfg);
    OrtMemoryInfo* raw_memory = nullptr;
    if (take(api, api.CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &raw_memory))) return;
    const OnnxHandle<OrtMemoryInfo> memory(raw_memory, api.ReleaseMemoryInfo);
    take(api, api.CreateAndRegisterAllocator(environment, memory.get(), arena.get()));
}

// What was opened last: the library has one environment a process, which the sessions of all roles share.
std::mutex opened_mutex;
std::weak_ptr<OnnxRuntime> opened_last;

}  // namespace

std::shared_ptr<OnnxRuntime> OnnxRuntime::open(const OnnxOptions& options) {
    std::lock_guard lock(opened_mutex);
    // Some published builds report to their maker unless told otherwise before they are loaded.
    setenv("ORT_DISABLE_TELEMETRY", "1", 1);
    const auto opened = open_library(options);
    if (auto last = opened_last.lock(); last && last->library() == opened.name) return last;
    using GetBase = const OrtApiBase*(ORT_API_CALL*)();
    const auto get_base = reinterpret_cast<GetBase>(dlsym(opened.handle, "OrtGetApiBase"));
    if (get_base == nullptr)
        throw StartError(opened.name + " is no ONNX Runtime: it lacks OrtGetApiBase", library_hint);

    std::shared_ptr<OnnxRuntime> runtime(new OnnxRuntime);
    const OrtApiBase* base = get_base();
    runtime->library_ = opened.name;
    runtime->version_ = base->GetVersionString();
    runtime->api_ = base->GetApi(MEMOIRD_ORT_API);
    if (runtime->api_ == nullptr)
        throw StartError(opened.name + " is ONNX Runtime " + runtime->version_ + ", which is too old: 1." +
                             std::to_string(MEMOIRD_ORT_API) + " or newer is needed",
                         library_hint);
    const auto& api = runtime->api();
    if (const auto failed =
            take(api, api.CreateEnvWithCustomLogger(drop_message, nullptr, ORT_LOGGING_LEVEL_FATAL, "memoird",
                                                    &runtime->environment_)))
        throw StartError(
            "ONNX Runtime " + runtime->version_ + " does not start: " + std::string(to_string(failed.code)),
            library_hint);
    take(api, api.DisableTelemetryEvents(runtime->environment_));
    register_arena(api, runtime->environment_);
    opened_last = runtime;
    return runtime;
}

OnnxRuntime::~OnnxRuntime() {
    if (environment_ != nullptr) api_->ReleaseEnv(environment_);
}

}  // namespace memoir::model
