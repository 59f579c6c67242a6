#pragma once
// Vectors on their way to a store and back. Pure. Thread safety: functions.

#include <span>
#include <string_view>
#include <vector>

namespace memoir::vector {

// Reads what `select array_send(x)` shows of a one-dimensional real[] without nulls: the array's binary form
// (header, then length and big-endian value of each element) as bytea in hex. Half the time of the text form
// on both sides. False: it is something else.
bool read_real_array(std::string_view bytea, std::vector<float>& numbers);

// Throws Failure unless the vector has the index's dimension (blocked: the embedder is another one than the
// index was made for) and only finite numbers (job: no store takes the others, or finds them again).
void check_vector(std::span<const float> vector, int dimension);

}  // namespace memoir::vector
