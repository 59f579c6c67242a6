#include "ctl/why.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "ctl/table.hpp"
#include "queue/depth.hpp"
#include "queue/holder.hpp"
#include "queue/job.hpp"

namespace memoir::ctl {
namespace {

using queue::JobState;
using Reasons = std::vector<Reason>;

double seconds(std::chrono::milliseconds duration) {
    return std::chrono::duration<double>(duration).count();
}

std::string named(const queue::Host& host) {
    return host.host + ":" + std::to_string(host.pid);
}

bool in_fan_in(const std::string& kind) {
    return kind == "extract" || kind == "relational_extract" || kind == "synthesize";
}

// Who could take it: for what is pending now, and for what is parked when it is due.
void explain_hosts(const WhyFacts& facts, Reasons& reasons) {
    if (!facts.hosts) {
        reasons.push_back({"hosts_unknown",
                           "which hosts serve this kind is unknown: the table memoird_hosts does not exist "
                           "(memoirctl schema apply creates it)"});
        return;
    }
    std::size_t living = 0, serving = 0;
    for (const auto& host : *facts.hosts) {
        if (!alive(host, facts.lease)) continue;
        ++living;
        if (std::find(host.kinds.begin(), host.kinds.end(), facts.job.kind) == host.kinds.end()) continue;
        ++serving;
        for (const auto& endpoint : troubled_endpoints(host))
            reasons.push_back({endpoint.code, "on " + named(host) + ", " + endpoint.text});
    }
    if (serving == 0)
        reasons.push_back({"no_host", "no live host serves " + facts.job.kind +
                                          " (hosts alive: " + std::to_string(living) + ")"});
}

void explain_pause(const WhyFacts& facts, Reasons& reasons) {
    if (const auto* pause = queue::pause_of(facts.pauses, facts.job.kind))
        reasons.push_back({"paused", (pause->kind == queue::every_kind ? "every kind" : pause->kind) +
                                         " was paused at " + pause->paused_at + " by " + pause->paused_by +
                                         " (memoirctl resume ends the pause)"});
}

void explain_pending(const WhyFacts& facts, Reasons& reasons) {
    const auto& job = facts.job;
    if (std::find(queue::all_kinds.begin(), queue::all_kinds.end(), job.kind) == queue::all_kinds.end()) {
        reasons.push_back({"unknown_kind", "memoird does not know this kind and never claims it"});
        return;
    }
    explain_pause(facts, reasons);
    explain_hosts(facts, reasons);
    if (job.suspect())
        reasons.push_back({"suspect", "the job is a suspect (" + *job.failure_reason +
                                          "): only a process that holds no other job claims it"});
    else if (job.failure_reason)
        reasons.push_back(
            {"failed_before", "attempt " + std::to_string(job.attempts) + " failed: " + *job.failure_reason});
    const bool cut = facts.ahead >= queue::depth_cap;
    reasons.push_back(
        {"waiting", "has been waiting for " + age(job.age) + " for a free loop in its lane; " +
                        (facts.ahead == 0 ? "it is the next of its kind"
                                          : count(facts.ahead, cut) + " of its kind are ahead of it")});
}

void explain_parked(const WhyFacts& facts, Reasons& reasons) {
    const auto& job = facts.job;
    const double due_in = job.due_in.value_or(0);
    reasons.push_back({"parked", "parked until " + job.due_at.value_or("an unknown time") +
                                     (due_in > 0 ? " (in " + age(due_in) + "): "
                                                 : " (due; the next recovery makes it pending): ") +
                                     job.failure_reason.value_or("no reason recorded") +
                                     "; attempts counted: " + std::to_string(job.attempts)});
    explain_pause(facts, reasons);
    explain_hosts(facts, reasons);
}

std::string lease_left(double lease, double held) {
    return held <= lease
               ? "the lease expires in " + age(lease - held) + " unless it is renewed"
               : "the lease expired " + age(held - lease) + " ago; the next recovery takes the job back";
}

void explain_claimed(const WhyFacts& facts, Reasons& reasons) {
    const auto& job = facts.job;
    const double held = job.claimed_for.value_or(0);
    const auto holder = queue::parse_holder(job.claimed_by.value_or(""));
    if (!holder) {
        reasons.push_back({"held", "held for " + age(held) + " by a worker that is not a memoird (" +
                                       job.claimed_by.value_or("unnamed") + "); " +
                                       lease_left(seconds(facts.foreign_lease), held)});
        return;
    }
    std::string life = "whether that process is alive is unknown";
    if (facts.hosts) {
        const auto row = std::find_if(facts.hosts->begin(), facts.hosts->end(),
                                      [&](const queue::Host& host) { return host.nonce == holder->nonce; });
        if (row == facts.hosts->end())
            life = "that process has no row in memoird_hosts";
        else if (alive(*row, facts.lease))
            life = "last seen " + age(row->seen_seconds_ago) + " ago";
        else
            life = "not seen for " + age(row->seen_seconds_ago);
    }
    reasons.push_back({"held", "held by " + holder->host + ":" + std::to_string(holder->pid) + ", lane " +
                                   holder->lane + "; " + life + "; " +
                                   lease_left(seconds(facts.lease), held)});
}

void explain_failed(const WhyFacts& facts, Reasons& reasons) {
    const auto& job = facts.job;
    reasons.push_back({"failed", "failed after " + std::to_string(job.attempts) +
                                     (job.attempts == 1 ? " attempt: " : " attempts: ") +
                                     job.failure_reason.value_or("no reason recorded") +
                                     " (memoirctl jobs retry or delete " + std::to_string(job.id) + ")"});
    if (in_fan_in(job.kind))
        reasons.push_back(
            {"blocks_fan_in", "no synthesize job is enqueued for its source until it is retried or deleted"});
}

}  // namespace

bool alive(const queue::Host& host, std::chrono::milliseconds lease) {
    return host.seen_seconds_ago <= seconds(lease);
}

std::vector<Reason> troubled_endpoints(const queue::Host& host) {
    std::vector<Reason> troubled;
    const auto list = nlohmann::json::parse(host.endpoints, nullptr, false);
    if (!list.is_array()) return troubled;
    const auto text = [](const nlohmann::json& entry, const char* key) {
        const auto found = entry.find(key);
        return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    for (const auto& entry : list) {
        if (!entry.is_object() || text(entry, "state").empty()) continue;
        if (text(entry, "state") == "closed") {
            const auto held = entry.find("held_ms");
            if (held != entry.end() && held->is_number() && held->get<double>() > 0)
                troubled.push_back(
                    {"rate_limit", text(entry, "name") +
                                       " is waiting for its provider's rate limit, for another " +
                                       age(std::ceil(held->get<double>() / 1000))});
            continue;
        }
        std::string line = text(entry, "name") + " is " + text(entry, "state") + ": " + text(entry, "why") +
                           ", " + text(entry, "reason");
        if (const auto next = entry.find("next_probe_ms"); next != entry.end() && next->is_number())
            line += ", next probe in " + age(next->get<double>() / 1000);
        if (const auto hint = text(entry, "hint"); !hint.empty()) line += " (HINT: " + hint + ")";
        troubled.push_back({"breaker", std::move(line)});
    }
    return troubled;
}

std::vector<Reason> explain(const WhyFacts& facts) {
    Reasons reasons;
    switch (facts.job.state) {
        case JobState::pending:
            explain_pending(facts, reasons);
            break;
        case JobState::parked:
            explain_parked(facts, reasons);
            break;
        case JobState::claimed:
            explain_claimed(facts, reasons);
            break;
        case JobState::failed:
            explain_failed(facts, reasons);
            break;
    }
    for (const auto& sibling : facts.siblings)
        if (sibling.state == JobState::failed && in_fan_in(facts.job.kind))
            reasons.push_back({"failed_sibling", "job " + std::to_string(sibling.id) + " (" + sibling.kind +
                                                     ") of the same source failed: no synthesize job is "
                                                     "enqueued until it is retried or deleted"});
    return reasons;
}

}  // namespace memoir::ctl
