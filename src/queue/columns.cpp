#include "queue/columns.hpp"

#include <fmt/core.h>

#include <chrono>

#include "queue/job.hpp"

namespace memoir::queue {

namespace {
constexpr const char* set_asynchronous = "(select set_config('synchronous_commit', 'off', true))";
}  // namespace

std::string is_suspect(const std::string& alias) {
    return "coalesce(starts_with(" + alias + ".failure_reason, '" + std::string(suspect_prefix) +
           "'), false)";
}

std::string is_claimed(const std::string& alias) {
    return alias + ".state || '' = 'claimed'";
}

std::string position_us(const std::string& column) {
    return "case when isfinite(" + column + ") then (extract(epoch from " + column +
           ") * 1000000)::bigint when " + column +
           " > 'epoch' then 9223372036854775807 else -9223372036854775808 end";
}

std::string timestamp(std::int64_t us) {
    using namespace std::chrono;
    // Before year 1 and after 9999 the text form needs more care than such rows deserve: they sort first or
    // last, and are found by the looks from the start.
    constexpr std::int64_t first = -62'135'596'800'000'000, last = 253'402'300'799'999'999;
    if (us < first) return "-infinity";
    if (us > last) return "infinity";
    const sys_time<microseconds> point{microseconds(us)};
    const auto day = floor<days>(point);
    const year_month_day date{day};
    const hh_mm_ss<microseconds> time{point - day};
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}+00", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       time.hours().count(), time.minutes().count(), time.seconds().count(),
                       time.subseconds().count());
}

std::string asynchronous_commit() {
    return std::string(set_asynchronous) + " s";
}

std::string committing_asynchronously() {
    return std::string(set_asynchronous) + " is not null";
}

std::string locked_rows(const std::string& alias, const std::string& chosen) {
    return alias + ".ctid = any(array(" + chosen + "))";
}

}  // namespace memoir::queue
