#include "model/onnx_status.hpp"

#include <catch2/catch.hpp>

#include "model/local_models.hpp"
#include "model/onnx_runtime.hpp"

using namespace memoir::model;

TEST_CASE("tells running out of memory from other failures of a run") {
    const auto runtime = OnnxRuntime::open(memoir::test::onnx_options());
    const auto& api = runtime->api();
    const auto status = [&](OrtErrorCode code, const char* message) {
        return take(api, api.CreateStatus(code, message));
    };

    auto failed = status(ORT_RUNTIME_EXCEPTION,
                         "Non-zero status code returned while running MatMul node: std::bad_alloc");
    CHECK(failed);
    CHECK(failed.out_of_memory);
    failed = status(ORT_FAIL, "Failed to allocate memory for requested buffer of size 123");
    CHECK(failed.out_of_memory);
    failed = status(ORT_INVALID_ARGUMENT, "indices element out of data bounds");
    CHECK(failed.code == ORT_INVALID_ARGUMENT);
    CHECK_FALSE(failed.out_of_memory);
    CHECK_FALSE(take(api, nullptr));
}

TEST_CASE("names every code, also one that it does not know") {
    CHECK(to_string(ORT_OK) == "ORT_OK");
    CHECK(to_string(ORT_EP_FAIL) == "ORT_EP_FAIL");
    CHECK(to_string(static_cast<OrtErrorCode>(999)) == "an unknown code");
}
