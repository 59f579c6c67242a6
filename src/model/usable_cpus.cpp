#include <sched.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <thread>

#include "model/run_pool.hpp"

namespace memoir::model {
namespace {

std::string read(const std::string& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

// CPUs by one group's own limit; 0: none. Version 2 has "QUOTA PERIOD" or "max PERIOD" in one file, version 1
// two files, with a quota of -1 for none.
double limit_of(const std::string& group) {
    double quota = 0, period = 0;
    if (std::istringstream(read(group + "/cpu.max")) >> quota >> period && period > 0) return quota / period;
    if (std::istringstream(read(group + "/cpu.cfs_quota_us")) >> quota &&
        std::istringstream(read(group + "/cpu.cfs_period_us")) >> period && quota > 0 && period > 0)
        return quota / period;
    return 0;
}

// A group is held to its own limit and to those of all groups above it.
double limit_along(const std::string& root, std::string path) {
    double least = 0;
    for (;;) {
        const double limit = limit_of(root + path);
        if (limit > 0 && (least == 0 || limit < least)) least = limit;
        if (path.empty()) return least;
        path.resize(path.find_last_of('/'));
    }
}

bool names_cpu(const std::string& controllers) {
    return ("," + controllers + ",").find(",cpu,") != std::string::npos;
}

}  // namespace

double cgroup_quota(const std::string& proc_self_cgroup, const std::string& mount) {
    double least = 0;
    std::istringstream lines(proc_self_cgroup);
    // "0::/path" of version 2, "4:cpu,cpuacct:/path" of version 1.
    for (std::string line; std::getline(lines, line);) {
        const auto first = line.find(':'), second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos || line[second + 1] != '/') continue;
        const auto controllers = line.substr(first + 1, second - first - 1);
        std::string path = line.substr(second + 1);
        if (path == "/") path.clear();
        std::string root = mount;
        if (!controllers.empty()) {
            if (!names_cpu(controllers)) continue;
            root += "/" + controllers;
        }
        const double limit = limit_along(root, path);
        if (limit > 0 && (least == 0 || limit < least)) least = limit;
    }
    return least;
}

int usable_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    // Fails on machines of more than 1,024 CPUs, where a count of all of them is as good.
    int cpus = sched_getaffinity(0, sizeof set, &set) == 0
                   ? CPU_COUNT(&set)
                   : static_cast<int>(std::thread::hardware_concurrency());
    const double quota = cgroup_quota(read("/proc/self/cgroup"), "/sys/fs/cgroup");
    if (quota > 0 && quota < cpus) cpus = static_cast<int>(quota);
    return std::max(cpus, 1);
}

}  // namespace memoir::model
