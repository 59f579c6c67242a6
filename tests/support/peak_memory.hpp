#pragma once
// How much more memory this process had at its worst while something ran.

#include <cstddef>
#include <fstream>
#include <string>

namespace memoir::test {

// A line of /proc/self/status in KiB.
inline std::size_t status_kib(const std::string& name) {
    std::ifstream status("/proc/self/status");
    std::string line;
    while (std::getline(status, line))
        if (line.starts_with(name + ":")) return std::stoul(line.substr(name.size() + 1));
    return 0;
}

// In MiB. Sanitizers keep freed memory: there nothing is measured, and it is 0.
template <typename Work>
std::size_t peak_growth(Work&& work) {
    std::ofstream("/proc/self/clear_refs") << "5";  // the peak starts anew
    const auto before = status_kib("VmRSS");
    work();
    const auto peak = status_kib("VmHWM");
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 0;
#else
    return peak > before ? (peak - before) / 1024 : 0;
#endif
}

}  // namespace memoir::test
