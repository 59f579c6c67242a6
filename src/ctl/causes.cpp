#include "ctl/causes.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include "base/cause.hpp"

namespace memoir::ctl {
namespace {

struct Rule {
    std::string_view words;  // the first rule whose words the cause holds counts
    Advice advice;
};

constexpr Advice too_long{Retry::after_change,
                          "the memory is too long for the model: choose one with a larger context first"};
constexpr Advice declined{Retry::after_change,
                          "the provider declines what the memory says: another model may take it"};
constexpr Advice unusable{
    Retry::after_change,
    "the model's replies are not usable: choose a larger model, or raise max_output_tokens"};

constexpr std::array rules{
    Rule{"context_length_exceeded", too_long},
    Rule{"exceed_context_size_error", too_long},
    Rule{"request_too_large", too_long},
    Rule{"HTTP 413", too_long},
    Rule{"too long", too_long},
    Rule{"longer than", too_long},
    Rule{"larger than the account",
         {Retry::after_change, "the account's rate limit is below this one memory"}},
    Rule{"content_filter", declined},
    Rule{"refused by the model", declined},
    Rule{"output limit", unusable},
    Rule{"reply", unusable},
    Rule{"bad payload", {Retry::never, "the job's payload is broken: `memoirctl jobs delete ID`"}},
    Rule{"is empty", {Retry::never, "there is nothing to embed: `memoirctl jobs delete ID`"}},
    Rule{"is no date", {Retry::never, "the memory's date is outside of what a graph can hold"}},
    Rule{"holder died",
         {Retry::helps, "the worker's process died: look for out-of-memory kills in the journal first"}},
    Rule{"deadline", {Retry::helps, "raise worker.job_timeout, or choose a faster model, first"}},
    Rule{"the memory changed", {Retry::helps, "the memory was edited all the time"}},
    Rule{"postgres: 22", {Retry::never, "the database refuses the data itself"}},
    Rule{"postgres: 23", {Retry::after_change, "a constraint of the database refuses the data"}},
    Rule{"postgres: P0001", {Retry::after_change, "a trigger of the database refuses the change"}},
    Rule{"postgres:", {Retry::helps, "look at the database's own log first"}},
    Rule{"HTTP 5", {Retry::helps, "the server failed: its own log says why"}},
    Rule{"HTTP 4",
         {Retry::after_change,
          "the server refuses the request: its own log, or `memoirctl doctor`, says why"}},
};

}  // namespace

std::string_view to_string(Retry retry) {
    switch (retry) {
        case Retry::helps:
            return "helps";
        case Retry::after_change:
            return "after a change";
        case Retry::never:
            return "never helps";
    }
    return "unknown";
}

Advice advice(std::string_view cause) {
    const auto rule =
        std::ranges::find_if(rules, [&](const Rule& each) { return cause.find(each.words) != cause.npos; });
    return rule == rules.end() ? Advice{Retry::helps, "`memoirctl jobs show ID` shows one of them"}
                               : rule->advice;
}

std::vector<FailedCause> by_cause(const std::vector<queue::FailedAs>& failed) {
    std::map<std::pair<std::string, std::string>, FailedCause> found;
    for (const auto& row : failed) {
        auto cause = cause_of(row.reason);
        auto& entry = found[{row.kind, cause}];
        entry.first = entry.jobs == 0 ? row.first : std::min(entry.first, row.first);
        entry.last = std::max(entry.last, row.last);
        entry.kind = row.kind;
        entry.cause = std::move(cause);
        entry.jobs += row.jobs;
        entry.reasons.push_back(row.reason);
    }
    std::vector<FailedCause> causes;
    for (auto& [key, entry] : found) causes.push_back(std::move(entry));
    std::ranges::stable_sort(causes, [](const auto& a, const auto& b) { return a.jobs > b.jobs; });
    return causes;
}

}  // namespace memoir::ctl
