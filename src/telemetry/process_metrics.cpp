#include "telemetry/process_metrics.hpp"

#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string_view>

#include "telemetry/instruments.hpp"

namespace memoir::telemetry {
namespace {

void append_gauge(std::string& out, const char* name, const char* help, double value) {
    GaugeFamily family(name, help, {});
    family.set({}, value);
    family.append(out);
}

double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// Field `number` of /proc/self/stat, counted from 1 as proc(5) does; none where it cannot be read: a
// container may have no /proc. The second field is the program's name in brackets and may hold anything.
std::optional<double> stat_field(int number) {
    std::ifstream file("/proc/self/stat");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto bracket = text.rfind(')');
    if (bracket == std::string::npos) return std::nullopt;
    std::istringstream rest(text.substr(bracket + 1));
    std::string field;
    for (int i = 3; i <= number; ++i) rest >> field;
    if (field.empty()) return std::nullopt;
    return std::stod(field);
}

// The wall-clock time at which the process started: now, minus the time since boot, plus its start after
// boot.
std::optional<double> start_time() {
    const auto started = stat_field(22);
    if (!started) return std::nullopt;
    timespec now{}, boot{};
    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    const double booted = static_cast<double>(now.tv_sec - boot.tv_sec);
    return booted + *started / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

void append_process_metrics(std::string& out) {
    rusage usage{};
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        // A counter that is not a whole number, unlike all of ours.
        out +=
            "# HELP process_cpu_seconds_total User and system CPU time.\n# TYPE process_cpu_seconds_total "
            "counter\n";
        out += "process_cpu_seconds_total " +
               std::to_string(seconds(usage.ru_utime) + seconds(usage.ru_stime)) + '\n';
    }
    if (const auto pages = stat_field(24))
        append_gauge(out, "process_resident_memory_bytes", "Resident memory.",
                     *pages * static_cast<double>(sysconf(_SC_PAGESIZE)));
    if (const auto start = start_time())
        append_gauge(out, "process_start_time_seconds", "Start of the process since the epoch.", *start);
    std::error_code error;
    std::filesystem::directory_iterator descriptors("/proc/self/fd", error);
    if (!error)
        append_gauge(out, "process_open_fds", "Open file descriptors.",
                     static_cast<double>(std::distance(begin(descriptors), end(descriptors))));
}

}  // namespace memoir::telemetry
