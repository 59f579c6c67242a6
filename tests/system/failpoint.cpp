// step() of memoird_failpoints: MEMOIRD_KILL_AT=reply.kept:2 kills the process when it comes to that step for
// the second time. SIGKILL, by its own hand: nothing is flushed, no destructor runs, no row is handed back.

#include "base/failpoint.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <string>

namespace memoir {

void failpoint(std::string_view name) {
    static std::mutex mutex;
    static int left = -1;
    static std::string wanted;
    std::lock_guard lock(mutex);
    if (left < 0) {
        const char* told = std::getenv("MEMOIRD_KILL_AT");
        wanted = told ? told : "";
        const auto colon = wanted.find(':');
        left = colon == std::string::npos ? 1 : std::stoi(wanted.substr(colon + 1));
        wanted.resize(std::min(colon, wanted.size()));
    }
    if (name == wanted && --left == 0) std::raise(SIGKILL);
}

}  // namespace memoir
