#pragma once
// Where scripts/fetch-test-models put the classifier that tests use. A test that needs it fails without it.

#include <filesystem>
#include <stdexcept>
#include <string>

namespace memoir::test {

inline std::string nli_directory() {
    const std::string folder = SOURCE_DIR "/build/models/nli-test";
    if (!std::filesystem::exists(folder + "/model.onnx"))
        throw std::runtime_error(folder + " is missing: run scripts/fetch-test-models");
    return folder;
}

}  // namespace memoir::test
