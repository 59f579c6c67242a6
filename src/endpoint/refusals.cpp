#include "endpoint/refusals.hpp"

#include <algorithm>
#include <map>

#include "base/cause.hpp"

namespace memoir::endpoint {
namespace {

// Jobs whose first refusal is forgotten are only taken for new ones.
constexpr std::size_t most_records = 4'096;

bool are_disjoint(const Jobs& a, const Jobs& b) {
    for (auto left = a.begin(), right = b.begin(); left != a.end() && right != b.end();) {
        if (*left == *right) return false;
        *left < *right ? ++left : ++right;
    }
    return true;
}

std::string cause(const Failure& failure) {
    return std::string(to_string(failure.type())) + " " + cause_of(failure.reason());
}

}  // namespace

void Refusals::refused(const Failure& failure, const Jobs& jobs, Moment at) {
    if (jobs.empty()) return;
    auto words = cause(failure);
    for (auto& record : records_) {
        if (record.cause != words || are_disjoint(record.jobs, jobs)) continue;
        // A part of a batch: the culprit is in it. A batch around a known culprit tells nothing new.
        const bool narrows = jobs.size() < record.jobs.size();
        if (narrows && std::ranges::includes(record.jobs, jobs)) {
            record.jobs = jobs;
        } else if (record.jobs == jobs) {
            record.before = record.last;
            ++record.times;
        } else {
            return;
        }
        record.last = at;
        return;
    }
    if (records_.size() >= most_records) records_.erase(records_.begin());
    records_.push_back({failure.type(), std::move(words), jobs, at, at, at});
}

void Refusals::explained(const Failure& failure, const Jobs& jobs) {
    if (failure.type() == FailureType::throttled || jobs.empty()) return;
    const auto words = cause(failure);
    std::erase_if(records_, [&](const Record& record) {
        return record.cause == words && !are_disjoint(record.jobs, jobs);
    });
}

void Refusals::served(const Jobs& jobs, Moment at) {
    // Its own other calls are no sign that a job's refused one is nobody else's.
    for (auto& record : records_)
        if (are_disjoint(record.jobs, jobs)) record.served = at;
}

const Refusals::Record* Refusals::find(const std::string& cause, const Jobs& jobs) const {
    const auto found = std::ranges::find_if(records_, [&](const Record& record) {
        return record.cause == cause && !are_disjoint(record.jobs, jobs);
    });
    return found == records_.end() ? nullptr : &*found;
}

Standing Refusals::standing(const Failure& failure, const Jobs& jobs) const {
    Standing standing;
    if (jobs.empty()) return standing;
    const auto words = cause(failure);
    const auto* mine = find(words, jobs);
    if (!mine) return standing;
    standing.times = mine->times;
    standing.served = mine->served > mine->first;
    for (const auto& record : records_) {
        if (record.cause != words) continue;
        standing.alike += record.stands();
        standing.joined |= &record != mine && record.first > mine->before;
    }
    return standing;
}

Jobs Refusals::companions(const Failure& failure, const Jobs& jobs) const {
    Jobs others;
    const auto words = cause(failure);
    for (const auto& record : records_)
        if (record.cause == words && record.stands() && are_disjoint(record.jobs, jobs))
            others.insert(others.end(), record.jobs.begin(), record.jobs.end());
    std::ranges::sort(others);
    return others;
}

int Refusals::most_alike() const {
    std::map<std::string_view, int> counts;
    int most = 0;
    for (const auto& record : records_)
        if (record.stands() && record.type != FailureType::throttled)
            most = std::max(most, ++counts[record.cause]);
    return most;
}

}  // namespace memoir::endpoint
