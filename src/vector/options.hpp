#pragma once
// The keys of [vector]: where the index is. A value; config fills it, and an index copies it.

#include <chrono>
#include <string>

#include "base/secret.hpp"

namespace memoir::vector {

struct Options {
    std::string backend = "qdrant";  // qdrant, postgres
    std::string url = "http://localhost:6333";
    std::string collection = "memoir_memories";
    std::chrono::milliseconds timeout{10'000};
    Secret api_key;
    std::string ca_file;
    friend bool operator==(const Options&, const Options&) = default;
};

}  // namespace memoir::vector
