#pragma once
// All metrics of one process. Built once by app and passed to the code that counts: nothing is global.
// Names follow Prometheus's rules: base units, _total for counters. Thread safety: all of it.
//
//   metrics.claims.add({kind}, jobs.size());
//   metrics.settles.add({kind, "failed", to_string(FailureType::permanent)});
//   metrics.run.observe({kind}, clock.now() - began);
//   metrics.in_flight.set({lane}, 3);

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "telemetry/instruments.hpp"

namespace memoir::telemetry {

struct Metrics {
    Metrics();

    // Jobs, counted by this process.
    CounterFamily claims{"memoird_claims_total", "Jobs claimed.", {"kind"}};
    // outcome: completed, retried, parked, failed, released, lost, unknown (the connection went with the
    // commit, and the row is gone). failure: the type of the failure behind it (base/failure.hpp), "none", or
    // "holder_died" where the job has no attempt left.
    CounterFamily settles{"memoird_settles_total",
                          "Claims ended, by outcome and type of failure.",
                          {"kind", "outcome", "failure"}};
    CounterFamily attempts{"memoird_attempts_total", "Attempts counted against jobs.", {"kind"}};
    CounterFamily retries{"memoird_retries_total", "Jobs delayed after a failed attempt.", {"kind"}};
    CounterFamily leases_lost{"memoird_leases_lost_total", "Claims lost while their jobs ran.", {"kind"}};
    CounterFamily released{"memoird_released_total", "Jobs given back without an attempt.", {"kind"}};
    // holder: memoird (died), foreign (another worker), parked (due again)
    CounterFamily recovered{
        "memoird_recovered_total", "Jobs brought back to pending, by what held them.", {"kind", "holder"}};
    CounterFamily log_dropped{
        "memoird_log_dropped_total", "Events dropped because the log's queue was full.", {}};

    // The queue when it was last counted; the same for every process of the fleet.
    GaugeFamily queue_jobs{
        "memoird_queue_jobs",
        "Jobs in the queue by state: pending, parked, claimed, failed. Counted up to a cap.",
        {"kind", "state"}};
    GaugeFamily queue_jobs_capped{"memoird_queue_jobs_capped",
                                  "1 where memoird_queue_jobs stopped counting: there are at least as many.",
                                  {"kind", "state"}};
    GaugeFamily queue_oldest{
        "memoird_queue_oldest_seconds", "Age of the oldest pending job; 0 if there is none.", {"kind"}};
    GaugeFamily queue_counted{"memoird_queue_counted_timestamp_seconds",
                              "When this process last counted the queue, since the epoch.",
                              {}};

    // This process, now.
    GaugeFamily in_flight{"memoird_jobs_in_flight", "Jobs claimed and not yet settled.", {"lane"}};
    GaugeFamily loops{"memoird_loops", "Worker loops.", {"lane"}};
    // One of the states is 1: closed, open, probing, ramping.
    GaugeFamily breaker{"memoird_breaker_state", "State of the circuit breaker.", {"endpoint", "state"}};
    GaugeFamily pool_size{
        "memoird_pool_connections_max", "Most database connections that the pool opens.", {}};
    GaugeFamily pool_in_use{"memoird_pool_connections_in_use", "Database connections in use.", {}};
    GaugeFamily database_up{
        "memoird_database_up", "1 if the last attempt to reach the database succeeded.", {}};
    GaugeFamily draining{"memoird_draining", "1 from the first signal to stop on.", {}};
    GaugeFamily paused{
        "memoird_paused", "1 while claiming of a kind is paused for the whole fleet.", {"kind"}};
    GaugeFamily unserved{
        "memoird_kind_unserved", "1 if jobs of a kind are left to other hosts, else 0.", {"kind"}};
    GaugeFamily calls_in_flight{"memoird_calls_in_flight",
                                "Running calls of a backend, and permits reserved for calls.",
                                {"endpoint"}};
    GaugeFamily calls_waiting{"memoird_calls_waiting",
                              "Calls waiting for a permit or for the provider's rate limit.",
                              {"endpoint"}};

    HistogramFamily wait{
        "memoird_job_wait_seconds", "From a job's creation to its claim.", {"kind"}, wait_bounds()};
    HistogramFamily run{
        "memoird_job_run_seconds", "From the claim to the settle, models included.", {"kind"}, run_bounds()};
    HistogramFamily settle{"memoird_job_settle_seconds",
                           "Transactions that end claims, one per batch, waiting for a connection included.",
                           {"kind"},
                           settle_bounds()};
    HistogramFamily calls{"memoird_call_seconds",
                          "Calls of a backend, successful or not, without probes.",
                          {"endpoint"},
                          run_bounds()};
    CounterFamily call_failures{
        "memoird_call_failures_total", "Failed calls of a backend by type.", {"endpoint", "type"}};
    // direction: input, output
    HistogramFamily tokens{"memoird_call_tokens",
                           "Tokens per call of a language model, as its server counts them.",
                           {"endpoint", "direction"},
                           token_bounds()};

    // Called before every exposition, to set what is read only then. Must not block, nor call exposition.
    void before_exposition(std::function<void()> refresh);
    // Prometheus text, this process's CPU time and memory included. Content type: `content_type`.
    std::string exposition();
    static constexpr const char* content_type = "text/plain; version=0.0.4; charset=utf-8";

  private:
    static std::vector<double> wait_bounds();
    static std::vector<double> run_bounds();
    static std::vector<double> settle_bounds();
    static std::vector<double> token_bounds();
    std::vector<FamilyBase*> all();

    std::mutex mutex_;  // guards refreshers_
    std::vector<std::function<void()>> refreshers_;
    GaugeFamily build_info_{"memoird_build_info", "1, labelled with the version.", {"version"}};
};

}  // namespace memoir::telemetry
