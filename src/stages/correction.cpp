#include "stages/correction.hpp"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "base/failure.hpp"
#include "extraction/text.hpp"
#include "vector/payload.hpp"

namespace memoir::stages {

namespace {

using nlohmann::json;
constexpr const char* own_key = "memoird";
// A neighbourhood larger than that is a mistake, and no index answers such a search well.
constexpr std::uint64_t most_neighbours = 10'000;

[[noreturn]] void refuse(const char* what) {
    throw Failure(FailureType::permanent, std::string("bad payload: ") + what);
}

std::vector<std::string> strings(const json& list) {
    if (!list.is_array()) refuse("its key memoird");
    std::vector<std::string> result;
    for (const auto& item : list) result.push_back(item.get<std::string>());
    return result;
}

// Written by us alone: what is not as we write it is a payload that somebody has broken.
Correction::Progress read_progress(const json& own) {
    Correction::Progress progress;
    try {
        progress.feedback_pid = own.value("feedback_pid", std::string());
        if (const auto members = own.find("members"); members != own.end())
            progress.members = strings(*members);
        if (const auto retired = own.find("retired"); retired != own.end())
            progress.retired = strings(*retired);
    } catch (const json::exception&) {
        refuse("its key memoird");
    }
    return progress;
}

// PostgreSQL keeps numbers that no double holds, which the parser refuses; they mean nothing here.
json parse(const std::string& payload) {
    auto body = json::parse(payload, nullptr, false);
    return body.is_discarded() ? json::parse(vector::normalize_numbers(payload), nullptr, false) : body;
}

}  // namespace

Correction read_correction(const std::string& payload) {
    const auto body = parse(payload);
    if (!body.is_object()) refuse("not an object");
    Correction correction;
    const auto reason = body.find("reason");
    if (reason == body.end() || !reason->is_string()) refuse("no reason");
    correction.reason = reason->get<std::string>();
    if (correction.reason != "rejected" && correction.reason != "stale")
        refuse("the reason is neither rejected nor stale");
    if (const auto feedback = body.find("feedback"); feedback != body.end() && feedback->is_string())
        if (auto text = feedback->get<std::string>(); !extraction::is_blank(text))
            correction.feedback = std::move(text);
    if (const auto similarity = body.find("min_similarity");
        similarity != body.end() && similarity->is_number())
        correction.min_similarity = similarity->get<double>();
    if (const auto top_k = body.find("top_k"); top_k != body.end() && top_k->is_number_integer()) {
        if (top_k->is_number_unsigned())
            correction.top_k = static_cast<int>(std::min(top_k->get<std::uint64_t>(), most_neighbours));
    }
    if (const auto own = body.find(own_key); own != body.end()) correction.progress = read_progress(*own);
    return correction;
}

std::string with_progress(const std::string& payload, const Correction::Progress& progress) {
    auto body = parse(payload);
    json own = json::object();
    if (!progress.feedback_pid.empty()) own["feedback_pid"] = progress.feedback_pid;
    if (progress.members) own["members"] = *progress.members;
    if (!progress.retired.empty()) own["retired"] = progress.retired;
    body[own_key] = std::move(own);
    return body.dump();
}

}  // namespace memoir::stages
