// Requests. JSON objects here hold pids, scopes and vectors; the payload is payload.hpp's.
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "vector/payload.hpp"
#include "vector/point_id.hpp"
#include "vector/qdrant_wire.hpp"

namespace memoir::vector::qdrant {
namespace {

using nlohmann::json;

std::string text_of(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json equals(const char* key, const std::string& value) {
    return {{"key", key}, {"match", {{"value", value}}}};
}

json any_pid(std::span<const std::string> pids) {
    return {{"key", "pid"}, {"match", {{"any", std::vector<std::string>(pids.begin(), pids.end())}}}};
}

json of_pid(const std::string& pid) {
    return {{"must", json::array({equals("pid", pid)})}};
}

std::string point_text(const Point& point) {
    std::string text = R"({"id":")" + point_id(point.pid) + R"(","vector":[)";
    std::array<char, 32> number;  // the shortest form of a float has at most 15 characters
    for (std::size_t i = 0; i < point.vector.size(); ++i) {
        if (i > 0) text += ',';
        const auto end = std::to_chars(number.data(), number.data() + number.size(), point.vector[i]).ptr;
        text.append(number.data(), end);
    }
    return text + R"(],"payload":)" + payload(point) + "}";
}

}  // namespace

std::vector<std::string> upserts(std::span<const Point> points, std::size_t limit) {
    constexpr std::string_view begin = R"({"points":[)", end = "]}";
    std::vector<std::string> bodies;
    for (const auto& point : points) {
        const auto text = point_text(point);
        if (begin.size() + text.size() + end.size() > limit)
            throw Failure(FailureType::permanent, "its point would have " + std::to_string(text.size()) +
                                                      " bytes, of which the metadata has " +
                                                      std::to_string(point.metadata.size()) +
                                                      ": more than the vector index takes");
        if (bodies.empty() || bodies.back().size() + 1 + text.size() + end.size() > limit)
            bodies.emplace_back(begin);
        else
            bodies.back() += ',';
        bodies.back() += text;
    }
    for (auto& body : bodies) body += end;
    return bodies;
}

std::string removal_of_others(std::span<const Point> points) {
    std::vector<std::string> pids, ids;
    for (const auto& point : points) {
        pids.push_back(point.pid);
        ids.push_back(point_id(point.pid));
    }
    return text_of({{"filter",
                     {{"must", json::array({any_pid(pids)})},
                      {"must_not", json::array({json{{"has_id", std::move(ids)}}})}}}});
}

std::string removal(std::span<const std::string> pids) {
    return text_of({{"filter", {{"must", json::array({any_pid(pids)})}}}});
}

std::string removal_of_id(const std::string& id) {
    return text_of({{"points", json::array({id})}});
}

// By pid, not by id: the point may still be one that the library wrote under an id of its own.
std::string category_set(const std::string& pid, const std::string& category) {
    return text_of({{"payload", {{"category", category}}}, {"filter", of_pid(pid)}});
}

std::string category_removal(const std::string& pid) {
    return text_of({{"keys", json::array({"category"})}, {"filter", of_pid(pid)}});
}

std::string search(const Query& query, int limit) {
    auto must = json::array({equals("user_id", query.user_id)});
    if (query.agent_id) must.push_back(equals("agent_id", *query.agent_id));
    if (query.org_id) must.push_back(equals("org_id", *query.org_id));
    if (query.kind) must.push_back(equals("kind", *query.kind));
    json body{{"query", query.vector},
              {"filter", {{"must", std::move(must)}}},
              {"limit", limit},
              {"with_payload", json::array({"pid"})}};
    if (query.score_above) body["score_threshold"] = *query.score_above;
    return text_of(body);
}

std::string scroll(const json& offset, int limit) {
    json body{{"limit", limit}, {"with_payload", json::array({"pid"})}, {"with_vector", false}};
    if (!offset.is_null()) body["offset"] = offset;
    return text_of(body);
}

std::string collection(int dimension) {
    return text_of({{"vectors", {{"size", dimension}, {"distance", "Cosine"}}}});
}

std::span<const PayloadIndex> payload_indexes() {
    // What writers and readers filter by; under strict mode a filter without its index is refused. A tenant's
    // points are stored together: the user is the finest part of a scope, and stands in every filter.
    static constexpr std::array<PayloadIndex, 9> indexes{{{"pid", "keyword"},
                                                          {"agent_id", "keyword"},
                                                          {"org_id", "keyword"},
                                                          {"user_id", "keyword", true},
                                                          {"kind", "keyword"},
                                                          {"category", "keyword"},
                                                          {"created_at", "integer"},
                                                          {"event_at", "integer"},
                                                          {"confidence", "integer"}}};
    return indexes;
}

std::string index_creation(const PayloadIndex& index, bool plainly) {
    json schema = index.type;
    if (index.tenant && !plainly) schema = {{"type", index.type}, {"is_tenant", true}};
    return text_of({{"field_name", index.key}, {"field_schema", std::move(schema)}});
}

std::string collection_url(const std::string& url, const std::string& name) {
    constexpr std::string_view hex = "0123456789ABCDEF";
    auto text = url;
    while (text.ends_with('/')) text.pop_back();
    text += "/collections/";
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           c == '-' || c == '_' || c == '.' || c == '~';
        if (plain) {
            text += c;
        } else {
            text += '%';
            text += hex[byte >> 4U];
            text += hex[byte & 0xfU];
        }
    }
    return text;
}

}  // namespace memoir::vector::qdrant
