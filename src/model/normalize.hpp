#pragma once
// Vectors of length one. Thread safety: functions without state.

#include <cmath>
#include <vector>

namespace memoir::model {

// L2-normalises in place, the norm in double precision. False (and unchanged) for a vector that has a
// component which is not finite, or no length.
inline bool normalize(std::vector<float>& vector) {
    double squares = 0;
    for (const float value : vector) squares += static_cast<double>(value) * value;
    const double norm = std::sqrt(squares);
    if (!std::isfinite(norm) || norm == 0) return false;
    for (float& value : vector) value = static_cast<float>(value / norm);
    return true;
}

}  // namespace memoir::model
