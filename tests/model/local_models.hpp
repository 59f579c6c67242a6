#pragma once
// Where the real model and library are that scripts/fetch-models put there. A test that needs them fails
// without them: it never passes by being skipped.

#include <filesystem>
#include <stdexcept>
#include <string>

#include "model/options.hpp"

namespace memoir::test {

inline std::string fetched(const std::string& path) {
    const std::string whole = SOURCE_DIR "/build/" + path;
    if (!std::filesystem::exists(whole))
        throw std::runtime_error(whole + " is missing: run scripts/fetch-models");
    return whole;
}

inline std::string bge_directory() {
    fetched("models/bge-small-en-v1.5/tokenizer.json");
    return std::filesystem::path(fetched("models/bge-small-en-v1.5/model.onnx")).parent_path();
}

// The system's library where the build found one.
inline model::OnnxOptions onnx_options() {
#ifdef MEMOIRD_SYSTEM_ORT
    return {MEMOIRD_SYSTEM_ORT};
#else
    return {fetched("onnxruntime/lib/libonnxruntime.so")};
#endif
}

}  // namespace memoir::test
