#pragma once
// What a reprocess job says and how far it has come: its payload (docs/contract.md, "Reprocess").
// Progress stands under one key of ours, so that what the writer wrote stays as it is. Thread safety: values,
// pure functions.

#include <optional>
#include <string>
#include <vector>

namespace memoir::stages {

struct Correction {
    std::string reason;                   // rejected, stale
    std::optional<std::string> feedback;  // none where it is blank or no string
    double min_similarity = 0.5;
    int top_k = 10;

    struct Progress {
        std::string feedback_pid;                         // empty: not stored yet
        std::optional<std::vector<std::string>> members;  // frozen; those not done yet, in order
        std::vector<std::string> retired;                 // whose points are to be removed
    } progress;
};

// Throws Failure(permanent) for a payload that no retry makes better.
Correction read_correction(const std::string& payload);
// The payload with this progress in it.
std::string with_progress(const std::string& payload, const Correction::Progress& progress);

}  // namespace memoir::stages
