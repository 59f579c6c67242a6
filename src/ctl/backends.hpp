#pragma once
// Are the backends that the configuration names reachable from here? Asked of each once, with the same
// synthetic request that a breaker's canary sends. Thread safety: as Context.

#include <string>
#include <vector>

#include "ctl/context.hpp"

namespace memoir::ctl {

struct Backend {
    std::string role;  // "vector", "embedding"
    std::string what;  // "qdrant at http://localhost:6333": no user-info, no key
    bool usable = false;
    std::string detail;  // why not, in our words
    std::string hint;
};
std::vector<Backend> look_at_backends(Context& context);

}  // namespace memoir::ctl
