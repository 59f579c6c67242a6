#pragma once
// The failure types that decide about retries. Everything that can go wrong while a job is worked on ends as
// one of these; nobody catches and guesses. Thread safety: values.

#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

namespace memoir {

enum class FailureType {
    outage,     // a backend cannot be reached or says it is down: no attempt, wait for its probe
    throttled,  // a backend told us to come later: no attempt, wait until the time it named
    blocked,    // credentials, unknown model, wrong URL, billing: no attempt, a human has to act
    job,        // this job's own doing, may pass next time: an attempt, retried with delay
    permanent,  // this job's own doing, will never pass: an attempt, and failed at once
    cancelled,  // drain or a lost lease: no attempt, released
    ambiguous,  // 500, reset, time-out: outage or job; only an endpoint::Endpoint decides which
};

std::string_view to_string(FailureType type);

// `reason` is stored in failure_reason and logged, so it is text of ours only: HTTP status, SQLSTATE,
// lengths, codes from our own tables. Never a server's message, which may echo what a person said.
class Failure : public std::exception {
  public:
    Failure(FailureType type, std::string reason) : type_(type), reason_(std::move(reason)) {}

    FailureType type() const { return type_; }
    const std::string& reason() const { return reason_; }
    const char* what() const noexcept override { return reason_.c_str(); }
    // It comes from what was asked for, not from the backend's state: a batch may hold one culprit.
    bool own() const { return alone || type_ == FailureType::job || type_ == FailureType::permanent; }

    // How long the server asked us to stay away (throttled), counted from when the failure was seen.
    std::optional<std::chrono::milliseconds> retry_after;
    // What an operator should do; shown with the event of a `blocked` failure. Empty: nothing known.
    std::string hint;
    // The endpoint's name where one was involved ("qdrant", "embedding", "extraction" …). Empty: none.
    std::string endpoint;
    // Not to be held against the job yet: an outage that others met at the same moment and that was over at
    // once; or a failure of its own that others may be told, too (endpoint/blame.hpp).
    bool spared = false;
    // Whatever its type says, the endpoint works for others: this one waits by itself.
    bool alone = false;
    // Money, or a server that refuses every job: nobody's own, though a probe that costs nothing passes.
    bool of_account = false;

  private:
    FailureType type_;
    std::string reason_;
};

// What can never work and stops the start: exit code 78. Bad configuration, schema, dimension, model files.
class StartError : public std::exception {
  public:
    StartError(std::string problem, std::string hint) : problem_(std::move(problem)), hint_(std::move(hint)) {
        text_ = hint_.empty() ? problem_ : problem_ + "\nHINT: " + hint_;
    }
    const std::string& problem() const { return problem_; }
    const std::string& hint() const { return hint_; }
    const char* what() const noexcept override { return text_.c_str(); }

  private:
    std::string problem_, hint_, text_;
};

}  // namespace memoir
