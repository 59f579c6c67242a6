#include "vector/real_array.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <string>

#include "base/failure.hpp"

using namespace memoir;
using namespace memoir::vector;

namespace {

const std::string header = "\\x0000000100000000000002bc";  // one dimension, no nulls, real

bool readable(const std::string& text) {
    std::vector<float> numbers;
    return read_real_array(text, numbers);
}

FailureType refusal(const std::vector<float>& vector, int dimension) {
    try {
        check_vector(vector, dimension);
    } catch (const Failure& failure) {
        CHECK_FALSE(failure.reason().empty());
        return failure.type();
    }
    return FailureType::cancelled;
}

}  // namespace

TEST_CASE("reads the binary form of a real array") {
    std::vector<float> numbers{9, 9, 9};
    REQUIRE(read_real_array(header + "00000002"
                                     "00000001"
                                     "00000004"
                                     "3f800000"
                                     "00000004"
                                     "be000000",
                            numbers));
    CHECK(numbers == std::vector<float>{1.0F, -0.125F});
}

TEST_CASE("refuses what is no flat array of reals") {
    CHECK_FALSE(readable(""));
    CHECK_FALSE(readable("{1,2}"));
    CHECK_FALSE(readable("\\x"));
    CHECK_FALSE(readable(header + "00000001"
                                  "00000001"
                                  "00000004"
                                  "3f8000"));  // cut
    CHECK_FALSE(readable(header + "00000002"
                                  "00000001"
                                  "00000004"
                                  "3f800000"));  // one short
    CHECK_FALSE(readable(header + "00000001"
                                  "00000001"
                                  "00000004"
                                  "3g800000"));  // no hex
    CHECK_FALSE(
        readable("\\x0000000200000000000002bc"
                 "00000000"
                 "00000001"));  // two dimensions
    CHECK_FALSE(
        readable("\\x0000000100000001000002bc"
                 "00000000"
                 "00000001"));  // nulls
    CHECK_FALSE(
        readable("\\x0000000100000000000002bd"
                 "00000000"
                 "00000001"));                             // doubles
    CHECK_FALSE(readable("\\x0000000000000000000002bc"));  // empty array
    CHECK_FALSE(readable(header + "7fffffff"
                                  "00000001"));
}

TEST_CASE("a vector of another dimension blocks: the embedder is not the index's") {
    CHECK(refusal({1, 2, 3}, 2) == FailureType::blocked);
    CHECK(refusal({}, 2) == FailureType::blocked);
    CHECK_NOTHROW(check_vector(std::vector<float>{1, 2}, 2));
}

TEST_CASE("a vector with numbers that are not finite is the job's failure") {
    CHECK(refusal({1, std::numeric_limits<float>::quiet_NaN()}, 2) == FailureType::job);
    CHECK(refusal({std::numeric_limits<float>::infinity(), 1}, 2) == FailureType::job);
}
