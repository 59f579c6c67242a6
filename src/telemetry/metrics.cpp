#include "telemetry/metrics.hpp"

#include <utility>

#include "telemetry/process_metrics.hpp"

namespace memoir::telemetry {

// From a pick-up by notification (about a millisecond) to a backlog of a day.
std::vector<double> Metrics::wait_bounds() {
    return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,  0.25,  0.5,
            1,     5,      15,    60,   300,   900,  3600, 21600, 86400};
}

// From a no-op to the ten minutes of the default job_timeout.
std::vector<double> Metrics::run_bounds() {
    return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600};
}

// From an asynchronous commit (0.3 ms) to the default statement_timeout.
std::vector<double> Metrics::settle_bounds() {
    return {0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30};
}

std::vector<double> Metrics::token_bounds() {
    return {8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 131072};
}

Metrics::Metrics() {
    build_info_.set({MEMOIRD_VERSION}, 1);
    log_dropped.add({}, 0);  // series without labels are there from the start
    for (GaugeFamily* gauge : {&pool_size, &pool_in_use, &database_up, &draining}) gauge->set({}, 0);
}

std::vector<FamilyBase*> Metrics::all() {
    return {&build_info_,       &claims,       &settles,       &attempts,        &retries,
            &leases_lost,       &released,     &recovered,     &log_dropped,     &queue_jobs,
            &queue_jobs_capped, &queue_oldest, &in_flight,     &loops,           &breaker,
            &pool_size,         &pool_in_use,  &database_up,   &draining,        &paused,
            &unserved,          &wait,         &run,           &settle,          &calls,
            &call_failures,     &tokens,       &queue_counted, &calls_in_flight, &calls_waiting};
}

void Metrics::before_exposition(std::function<void()> refresh) {
    std::lock_guard lock(mutex_);
    refreshers_.push_back(std::move(refresh));
}

std::string Metrics::exposition() {
    {
        std::lock_guard lock(mutex_);
        for (const auto& refresh : refreshers_) refresh();
    }
    std::string out;
    for (const FamilyBase* family : all()) family->append(out);
    append_process_metrics(out);
    return out;
}

}  // namespace memoir::telemetry
