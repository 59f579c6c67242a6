// Answers, and what they mean: the failure table for Qdrant.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "vector/qdrant_wire.hpp"
#include "vector/similarity.hpp"

namespace memoir::vector::qdrant {
namespace {

using nlohmann::json;

constexpr auto url_hint = "vector.url must be the base URL of Qdrant's REST API, as in http://localhost:6333";
constexpr auto key_hint =
    "vector.api_key_file must hold a key that may write points and create collections and payload indexes";
constexpr auto grpc_hint =
    "6334 is Qdrant's gRPC port; vector.url must name its REST port, 6333 unless configured otherwise";

Failure failure(FailureType type, std::string_view what, const std::string& seen, const char* hint = "") {
    Failure result(type, "vector index: " + std::string(what) + ": " + seen);
    result.hint = hint;
    return result;
}

[[noreturn]] void throw_no_answer(std::string_view what, std::size_t bytes) {
    throw failure(FailureType::ambiguous, what,
                  "HTTP 200 with " + std::to_string(bytes) + " bytes that are no answer of this API");
}

[[noreturn]] void throw_status(const http::Response& response, bool json_body, std::string_view what) {
    const auto seen = "HTTP " + std::to_string(response.status);
    const auto plain = [&](FailureType type, const char* hint = "") {
        return failure(type, what, seen, hint);
    };
    switch (response.status) {
        case 401:
        case 403:
            throw plain(FailureType::blocked, key_hint);
        case 404:
            if (!json_body) throw plain(FailureType::blocked, url_hint);
            throw Refusal(failure(FailureType::blocked, what, seen,
                                  "create the collection that vector.collection names"),
                          404);
        case 409:
            throw plain(FailureType::job);
        case 429:
        case 529: {
            auto throttled = plain(FailureType::throttled);
            throttled.retry_after = http::retry_after(response, std::chrono::system_clock::now());
            throw throttled;
        }
        case 502:
        case 503:
        case 504:
        case 507:  // disk or memory quota
            throw plain(FailureType::outage);
        case 408:
        case 499:
            throw plain(FailureType::ambiguous);
        default:
            break;
    }
    if (response.status >= 400 && response.status < 500)
        throw Refusal(plain(FailureType::permanent), response.status);
    throw plain(FailureType::ambiguous);
}

const json* member(const json& object, const char* key) {
    if (!object.is_object()) return nullptr;
    const auto found = object.find(key);
    return found == object.end() ? nullptr : &*found;
}

const json& points_of(const json& result, std::string_view what) {
    const auto* points = member(result, "points");
    if (!points || !points->is_array()) throw_no_answer(what, result.dump().size());
    return *points;
}

const std::string* pid_of(const json& point) {
    const auto* payload = member(point, "payload");
    const auto* pid = payload ? member(*payload, "pid") : nullptr;
    return pid ? pid->get_ptr<const std::string*>() : nullptr;
}

}  // namespace

json result(const http::Response& response, std::string_view what) {
    auto answer = json::parse(response.body, nullptr, false);
    if (response.status != 200) throw_status(response, answer.is_object(), what);
    const auto* status = member(answer, "status");
    if (!status || *status != "ok" || !answer.contains("result")) throw_no_answer(what, response.body.size());
    return std::move(answer["result"]);
}

void require_done(const json& result, std::string_view what) {
    const auto* status = member(result, "status");
    if (status && *status == "completed") return;
    // Accepted, but readers may not see it yet, or never if that server is lost: not what a settle can rest
    // on.
    if (status && *status == "wait_timeout")
        throw failure(FailureType::ambiguous, what, "HTTP 200 with wait_timeout: not done in time");
    if (status && *status == "acknowledged")
        throw failure(FailureType::ambiguous, what, "HTTP 200 with acknowledged: not waited for");
    throw_no_answer(what, result.dump().size());
}

void throw_transport(const http::TransportFailure& transport, const std::string& url, bool rest_known) {
    using http::TransportError;
    const auto text = std::string("vector index: ") + transport.what();
    auto error = transport.error();
    // A gRPC server greets with HTTP/2 frames or hangs up at once, whichever comes first.
    const bool hung_up =
        error == TransportError::reset || error == TransportError::cut || error == TransportError::other;
    if (hung_up && !rest_known && url.find(":6334") != std::string::npos) error = TransportError::not_http;
    switch (error) {
        case TransportError::resolve:
        case TransportError::refused:
        case TransportError::tls:
        case TransportError::connect_timeout:
            throw Failure(FailureType::outage, text);
        case TransportError::cancelled:
            throw Failure(FailureType::cancelled, "cancelled");
        case TransportError::not_http:
            throw Misfit(text + ": no answer in HTTP/1.1, as from a gRPC port", grpc_hint);
        case TransportError::invalid:
            throw Misfit(text, url_hint);
        case TransportError::redirect: {
            Failure redirected(FailureType::blocked, text);
            redirected.hint = url_hint;
            throw redirected;
        }
        case TransportError::timeout:
        case TransportError::silence:
        case TransportError::reset:
        case TransportError::cut:
        case TransportError::too_large:
        case TransportError::other:
            break;
    }
    throw Failure(FailureType::ambiguous, text);
}

void check_collection(const json& info, const std::string& name, int dimension) {
    constexpr auto hint =
        "set vector.collection to one of its own (it is created), or embedding.model and embedding.dimension "
        "to those that it was made with";
    const auto at = json::json_pointer("/config/params/vectors");
    if (!info.is_object() || !info.contains(at) || !info[at].is_object())
        throw_no_answer("reading the collection", info.dump().size());
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

Page hits(const json& result) {
    const auto& points = points_of(result, "searching");
    Page page{{}, points.size()};
    for (const auto& point : points) {
        const auto* score = member(point, "score");
        if (!score || !score->is_number()) throw_no_answer("searching", result.dump().size());
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
