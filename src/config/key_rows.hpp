#pragma once
// What the rows of the table of keys are written with; only keys.cpp and backend_keys.cpp include it.

#include <vector>

#include "config/keys.hpp"

namespace memoir::config {

// Ranges of durations are in milliseconds.
inline constexpr double ms = 1, s = 1'000, m = 60 * s, h = 60 * m, d = 24 * h;

// The member `Field` of the section `Part` of a Config, optional sections included.
template <auto Part, auto Field>
Target at(Config& config, std::string_view) {
    auto& part = config.*Part;
    if constexpr (requires { part.has_value(); }) {
        return &((*part).*Field);
    } else {
        return &(part.*Field);
    }
}

// [embedding], [onnx], [vector], [extraction], [relational], [classifier], [graph].
void add_backend_keys(std::vector<Key>& keys);

}  // namespace memoir::config
