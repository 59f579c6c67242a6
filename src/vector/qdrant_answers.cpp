// Answers, and what they mean: the failure table for Qdrant.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/json_text.hpp"
#include "endpoint/classify.hpp"
#include "vector/qdrant_errors.hpp"
#include "vector/qdrant_wire.hpp"
#include "vector/similarity.hpp"

namespace memoir::vector::qdrant {
namespace {

using nlohmann::json;

constexpr std::string_view settings =
    "vector.url (the REST API, as in http://localhost:6333) and vector.api_key_file (a key that may write "
    "points and create collections and payload indexes)";
constexpr auto grpc_hint =
    "6334 is Qdrant's gRPC port; vector.url must name its REST port, 6333 unless configured otherwise";

// The same failure, with our word for the call before what was seen.
Failure told(const Failure& seen, std::string_view what) {
    Failure failure(seen.type(), std::string(what) + ": " + seen.reason());
    failure.retry_after = seen.retry_after;
    failure.hint = seen.hint;
    return failure;
}

[[noreturn]] void throw_no_answer(std::string_view what) {
    throw Failure(FailureType::ambiguous,
                  std::string(what) + ": HTTP 200 with a body that is no answer of this API");
}

// The server's words, for comparisons only.
std::string_view error_text(const json& answer, const std::string& body) {
    if (!answer.is_object()) return body;  // 401 and 403 are plain text
    const auto at = json::json_pointer("/status/error");
    return answer.contains(at) && answer[at].is_string() ? answer[at].get_ref<const std::string&>()
                                                         : std::string_view();
}

[[noreturn]] void throw_status(const http::Response& response, const json& answer, std::string_view what) {
    constexpr int not_found = 404;
    const bool json_body = answer.is_object();
    const auto text = error_text(answer, response.body);
    if (const auto* row = find_error(text)) {
        Failure failure(row->type, std::string(what) + ": HTTP " + std::to_string(response.status) + ": " +
                                       std::string(row->reason));
        failure.hint = row->hint;
        if (row->type == FailureType::throttled)
            failure.retry_after = http::retry_after(response, std::chrono::system_clock::now());
        throw failure;
    }
    auto failure =
        told(endpoint::classify({.status = response.status,
                                 .retry_after = http::retry_after(response, std::chrono::system_clock::now()),
                                 .code = {},
                                 .json_body = json_body},
                                settings),
             what);
    if (response.status == not_found && json_body) {
        failure.hint = "create the collection that vector.collection names";
        throw Refusal(failure, not_found);
    }
    if (failure.type() == FailureType::permanent) {
        Refusal refusal(failure, response.status);
        refusal.limit = strict_limit(text);
        throw refusal;
    }
    throw failure;
}

const json* member(const json& object, const char* key) {
    if (!object.is_object()) return nullptr;
    const auto found = object.find(key);
    return found == object.end() ? nullptr : &*found;
}

const json& points_of(const json& result, std::string_view what) {
    const auto* points = member(result, "points");
    if (!points || !points->is_array()) throw_no_answer(what);
    return *points;
}

const std::string* pid_of(const json& point) {
    const auto* payload = member(point, "payload");
    const auto* pid = payload ? member(*payload, "pid") : nullptr;
    return pid ? pid->get_ptr<const std::string*>() : nullptr;
}

}  // namespace

json result(const http::Response& response, std::string_view what) {
    // No payload that we write lies deeper; copying what nests a million levels would overflow the stack. A
    // hit has seven values: enough for 70,000 of them, whose tree takes some 60 MB.
    constexpr int deepest = 160;
    constexpr std::size_t most_values = 500'000;
    auto answer = json_fits(response.body, deepest, most_values) ? json::parse(response.body, nullptr, false)
                                                                 : json(json::value_t::discarded);
    if (response.status != 200) throw_status(response, answer, what);
    const auto* status = member(answer, "status");
    if (!status || *status != "ok" || !answer.contains("result")) throw_no_answer(what);
    return std::move(answer["result"]);
}

void require_done(const json& result, std::string_view what) {
    const auto* status = member(result, "status");
    if (status && *status == "completed") return;
    // Accepted, but readers may not see it yet, or never if that server is lost: not what a settle can rest
    // on.
    for (const auto* accepted : {"wait_timeout", "acknowledged"})
        if (status && *status == accepted)
            throw Failure(FailureType::ambiguous,
                          std::string(what) + ": HTTP 200 with " + accepted + ": not done yet");
    throw_no_answer(what);
}

void throw_transport(const http::TransportFailure& transport, std::string_view what, const std::string& url,
                     bool rest_known) {
    using http::TransportError;
    const auto error = transport.error();
    const auto failure = told(endpoint::classify(transport, settings), what);
    // A gRPC server greets with HTTP/2 frames or hangs up at once, whichever comes first.
    const bool hung_up =
        error == TransportError::reset || error == TransportError::cut || error == TransportError::other;
    if (error == TransportError::not_http ||
        (hung_up && !rest_known && url.find(":6334") != std::string::npos))
        throw Misfit(failure.reason() + ": no answer in HTTP/1.1, as from a gRPC port", grpc_hint);
    if (error == TransportError::invalid) throw Misfit(failure.reason(), failure.hint);
    throw failure;
}

void check_collection(const json& info, const std::string& name, int dimension) {
    constexpr auto hint =
        "set vector.collection to one of its own (it is created), or embedding.model and embedding.dimension "
        "to those that it was made with";
    const auto at = json::json_pointer("/config/params/vectors");
    if (!info.is_object() || !info.contains(at) || !info[at].is_object())
        throw_no_answer("reading the collection");
    const auto& vectors = info[at];
    const auto* size = member(vectors, "size");
    if (!size || !size->is_number_integer())
        throw Misfit("collection " + name + " has named vectors or none; readers need one without a name",
                     hint);
    if (*size != dimension)
        throw Misfit("collection " + name + " holds vectors of " + size->dump() +
                         " dimensions, the configured embedder makes " + std::to_string(dimension),
                     hint);
    const auto* distance = member(vectors, "distance");
    if (!distance || *distance != "Cosine") {
        // One of the API's own words, not a text: safe to show.
        const bool known =
            distance && (*distance == "Dot" || *distance == "Euclid" || *distance == "Manhattan");
        throw Misfit("collection " + name + " compares by " +
                         (known ? distance->get<std::string>() : std::string("another distance")) +
                         ", readers need Cosine",
                     hint);
    }
}

std::vector<std::string> quotas(const json& info) {
    const auto at = json::json_pointer("/config/strict_mode_config");
    std::vector<std::string> found;
    if (!info.is_object() || !info.contains(at) || !info[at].is_object()) return found;
    const auto* enabled = member(info[at], "enabled");
    if (!enabled || *enabled != true) return found;
    for (const auto* name :
         {"max_points_count", "max_collection_vector_size_bytes", "max_collection_payload_size_bytes"})
        if (const auto* limit = member(info[at], name); limit && limit->is_number_integer())
            found.push_back(std::string(name) + " " + limit->dump());
    return found;
}

Page hits(const json& result) {
    const auto& points = points_of(result, "searching");
    Page page{{}, points.size()};
    for (const auto& point : points) {
        const auto* score = member(point, "score");
        if (!score || !score->is_number()) throw_no_answer("searching");
        if (const auto* pid = pid_of(point)) page.hits.push_back({*pid, score->get<double>()});
    }
    return page;
}

std::vector<std::string> scrolled(const json& result) {
    std::vector<std::string> pids;
    for (const auto& point : points_of(result, "listing"))
        if (const auto* pid = pid_of(point)) pids.push_back(*pid);
    return pids;
}

std::vector<Hit> distinct(std::vector<Hit> hits, const std::optional<double>& score_above) {
    std::unordered_map<std::string, double> last;
    for (auto& hit : hits) last[std::move(hit.pid)] = hit.score;
    hits.clear();
    for (const auto& [pid, score] : last)
        if (above(score, score_above)) hits.push_back({pid, score});
    std::sort(hits.begin(), hits.end(), better);
    return hits;
}

}  // namespace memoir::vector::qdrant
