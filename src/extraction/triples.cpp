#include "extraction/triples.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/failure.hpp"
#include "extraction/reply_list.hpp"

namespace memoir::extraction {

namespace {

// An absent confidence is certainty, one that is no finite number (null included) makes the triple bad.
std::optional<Triple> read_triple(const JsonScanner& scanner, const JsonValue& element) {
    if (element.kind != JsonKind::object) return std::nullopt;
    std::optional<JsonValue> subject, relation, object, confidence;
    scanner.each_member(element, [&](const std::string& key, const JsonValue& value) {
        if (key == "subject") subject = value;
        if (key == "relation") relation = value;
        if (key == "object") object = value;
        if (key == "confidence") confidence = value;
    });
    for (const auto* part : {&subject, &relation, &object})
        if (!*part || (*part)->kind != JsonKind::string) return std::nullopt;
    const auto number = confidence ? read_confidence(scanner, *confidence) : std::optional(1.0F);
    if (!number || !std::isfinite(*number)) return std::nullopt;
    return Triple{scanner.string(*subject), scanner.string(*relation), scanner.string(*object),
                  static_cast<double>(*number)};
}

// Whole numbers without a point: 1.0 is kept as 1 (docs/contract.md, "Graph").
nlohmann::json number_json(double value) {
    if (std::abs(value) < 1e15 && value == std::trunc(value)) return static_cast<std::int64_t>(value);
    return value;
}

}  // namespace

Triples parse_triples(std::string_view reply, std::size_t most) {
    if (reply.size() > max_triples_bytes)
        throw Failure(FailureType::job,
                      "reply is longer than 100,000 bytes (" + std::to_string(reply.size()) + " bytes)");
    Triples triples;
    each_in_list(reply, "triples", [&](const JsonScanner& scanner, const JsonValue& element) {
        if (triples.triples.size() >= most)
            ++triples.beyond;
        else if (auto triple = read_triple(scanner, element))
            triples.triples.push_back(std::move(*triple));
        else
            ++triples.malformed;
    });
    if (triples.triples.empty() && triples.malformed > 0)
        throw Failure(FailureType::job,
                      "reply holds no usable triple: " + std::to_string(triples.malformed) + " malformed");
    return triples;
}

namespace {

std::optional<Triple> staged_triple(const nlohmann::json& item) {
    if (!item.is_object()) return std::nullopt;
    for (const char* part : {"subject", "relation", "object"})
        if (!item.contains(part) || !item[part].is_string()) return std::nullopt;
    const auto confidence = item.value("confidence", nlohmann::json(1.0));
    if (!confidence.is_number()) return std::nullopt;
    return Triple{item["subject"], item["relation"], item["object"],
                  static_cast<double>(static_cast<float>(confidence.get<double>()))};
}

// The list in it, or nothing.
nlohmann::json staged_list(std::string_view json) {
    auto whole = nlohmann::json::parse(json, nullptr, false);
    if (!whole.is_object() || !whole.contains("triples") || !whole["triples"].is_array()) return nullptr;
    return std::move(whole["triples"]);
}

}  // namespace

std::vector<Triple> staged_triples(std::string_view json) {
    std::vector<Triple> triples;
    for (const auto& item : staged_list(json))
        if (auto triple = staged_triple(item)) triples.push_back(std::move(*triple));
    return triples;
}

Triples triples_from_json(std::string_view json) {
    const auto list = staged_list(json);
    if (!list.is_array()) throw std::invalid_argument("no list of triples");
    Triples triples;
    for (const auto& item : list) {
        auto triple = staged_triple(item);
        if (!triple) throw std::invalid_argument("no triple");
        triples.triples.push_back(std::move(*triple));
    }
    return triples;
}

std::string to_json(const Triples& triples) {
    auto list = nlohmann::json::array();
    for (const auto& triple : triples.triples)
        list.push_back({{"subject", triple.subject},
                        {"relation", triple.relation},
                        {"object", triple.object},
                        {"confidence", number_json(triple.confidence)}});
    return nlohmann::json{{"triples", std::move(list)}}.dump();
}

}  // namespace memoir::extraction
