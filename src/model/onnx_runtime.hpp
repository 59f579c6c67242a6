#pragma once
// ONNX Runtime, opened at run time: the daemon is packaged without it and starts without it where no served
// kind needs an in-process model. Owns the library's environment; the library itself stays open until the
// process ends, because its threads may outlive every session. Telemetry of builds that have it is switched
// off before the library is opened, and what it logs is dropped (its messages may echo input). Thread safety:
// OnnxRuntime is immutable; OnnxSession::run may be called from several threads.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/options.hpp"

struct OrtApi;
struct OrtEnv;
struct OrtSession;
struct OrtStatus;
struct OrtValue;

namespace memoir::model {

class OnnxRuntime {
  public:
    // Looks at options.library, else $ONNXRUNTIME_LIBRARY, else memoird's private folder, else the system's.
    // Throws StartError when there is none, or it is too old.
    static std::shared_ptr<OnnxRuntime> open(const OnnxOptions& options);
    ~OnnxRuntime();
    OnnxRuntime(const OnnxRuntime&) = delete;
    OnnxRuntime& operator=(const OnnxRuntime&) = delete;

    const OrtApi& api() const { return *api_; }
    OrtEnv* environment() const { return environment_; }
    const std::string& version() const { return version_; }  // "1.26.0"
    const std::string& library() const { return library_; }  // as it was opened

  private:
    OnnxRuntime() = default;
    const OrtApi* api_ = nullptr;
    OrtEnv* environment_ = nullptr;
    std::string version_, library_;
};

// One of a model's inputs or outputs. A dimension that is free is -1.
struct OnnxPort {
    enum class Type { int64, float32, other };
    std::string name;
    Type type = Type::other;
    std::vector<std::int64_t> shape;
};

// A result of a run, in the runtime's memory.
class OnnxTensor {
  public:
    std::span<const float> values() const { return values_; }
    const std::vector<std::int64_t>& shape() const { return shape_; }

  private:
    friend class OnnxSession;
    std::shared_ptr<OrtValue> value_;
    std::span<const float> values_;
    std::vector<std::int64_t> shape_;
};

class OnnxSession {
  public:
    struct Settings {
        // Runs are concurrent, not their operators: as many runs as cores with a thread each beat one run
        // with as many threads (measured: 1.6 times as fast). Always a number: 0 makes the library pin
        // threads.
        int threads = 1;
        bool spin =
            false;  // waiting threads that spin cost 1.7 times the CPU and halve the speed beside others
        bool library_defaults = false;  // for comparison only: none of our settings, these two included
    };
    // Throws StartError: the file is missing, or no model that this library can run.
    OnnxSession(std::shared_ptr<OnnxRuntime> runtime, const std::string& file, Settings settings);
    OnnxSession(std::shared_ptr<OnnxRuntime> runtime, const std::string& file)
        : OnnxSession(std::move(runtime), file, Settings{}) {}

    const std::vector<OnnxPort>& inputs() const { return inputs_; }
    const std::vector<OnnxPort>& outputs() const { return outputs_; }

    // Runs the model on rows × columns ids; `inputs` has one block for each of inputs(), in their order. The
    // output has to be of 32-bit floats. Throws Failure: job when the run fails, outage when memory is short.
    OnnxTensor run(std::int64_t rows, std::int64_t columns, std::span<const std::int64_t* const> inputs,
                   std::size_t output = 0) const;

  private:
    struct Release {
        const OrtApi* api;
        void operator()(OrtSession* session) const;
    };
    std::shared_ptr<OnnxRuntime> runtime_;
    std::unique_ptr<OrtSession, Release> session_;
    std::vector<OnnxPort> inputs_, outputs_;
};

}  // namespace memoir::model
