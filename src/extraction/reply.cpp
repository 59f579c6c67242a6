#include "extraction/reply.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/failure.hpp"
#include "extraction/event_time.hpp"
#include "extraction/reply_list.hpp"
#include "extraction/text.hpp"

namespace memoir::extraction {

namespace {

// The library's limit, counted in characters (docs/contract.md, "Extraction").
constexpr std::size_t max_content_scalars = 8'000;

// × 100 in 32 bits and half away from zero, so that 0.285 is 29 as it is for the library.
int percent(float confidence) {
    if (std::isnan(confidence)) return 0;
    return static_cast<int>(std::clamp(std::round(confidence * 100.0F), 0.0F, 100.0F));
}

// The members of one fact; of equal keys the last counts.
struct Members {
    std::optional<JsonValue> content, confidence, event_at;
};

Members members_of(const JsonScanner& scanner, const JsonValue& object) {
    Members members;
    scanner.each_member(object, [&](const std::string& key, const JsonValue& value) {
        if (key == "content") members.content = value;
        if (key == "confidence") members.confidence = value;
        if (key == "event_at") members.event_at = value;
    });
    return members;
}

// Empty and null say that there is no date; anything else that is none is counted.
void read_event_at(const JsonScanner& scanner, const std::optional<JsonValue>& value, Fact& fact,
                   std::size_t& bad) {
    if (!value || value->kind == JsonKind::null) return;
    const bool is_text = value->kind == JsonKind::string;
    const auto text = is_text ? scanner.string(*value) : std::string();
    if (is_text && is_blank(text)) return;
    if (is_text) fact.event_at = parse_event_time(text);
    if (!fact.event_at) ++bad;
}

void read_fact(const JsonScanner& scanner, const JsonValue& element, std::size_t most, Facts& facts) {
    if (facts.facts.size() >= most) {
        ++facts.beyond;
        return;
    }
    const auto members = element.kind == JsonKind::object ? members_of(scanner, element) : Members{};
    if (!members.content || members.content->kind != JsonKind::string || !members.confidence) {
        ++facts.malformed;
        return;
    }
    const auto confidence = read_confidence(scanner, *members.confidence);
    if (!confidence) {
        ++facts.malformed;
        return;
    }
    Fact fact{scanner.string(*members.content), percent(*confidence), std::nullopt};
    if (is_blank(fact.content)) {
        ++facts.blank;
    } else if (count_scalars(fact.content) > max_content_scalars) {
        ++facts.too_long;
    } else {
        read_event_at(scanner, members.event_at, fact, facts.bad_dates);
        facts.facts.push_back(std::move(fact));
    }
}

}  // namespace

Facts parse_facts(std::string_view reply, std::size_t most) {
    Facts facts;
    each_in_list(reply, "facts", [&](const JsonScanner& scanner, const JsonValue& element) {
        read_fact(scanner, element, most, facts);
    });
    if (facts.facts.empty() && facts.malformed > 0)
        throw Failure(FailureType::job, "reply holds no usable fact: " + std::to_string(facts.malformed) +
                                            " malformed, " + std::to_string(facts.blank) + " blank, " +
                                            std::to_string(facts.too_long) + " too long");
    return facts;
}

std::string to_json(const Facts& facts) {
    auto list = nlohmann::json::array();
    for (const auto& fact : facts.facts) {
        nlohmann::json item{{"content", fact.content}, {"confidence", fact.confidence}};
        if (fact.event_at) item["event_at"] = *fact.event_at;
        list.push_back(std::move(item));
    }
    return nlohmann::json{{"facts", std::move(list)},     {"blank", facts.blank},
                          {"too_long", facts.too_long},   {"malformed", facts.malformed},
                          {"bad_dates", facts.bad_dates}, {"beyond", facts.beyond}}
        .dump();
}

Facts facts_from_json(std::string_view json) {
    try {
        const auto root = nlohmann::json::parse(json);
        Facts facts;
        facts.blank = root.at("blank").get<std::size_t>();
        facts.too_long = root.at("too_long").get<std::size_t>();
        facts.malformed = root.at("malformed").get<std::size_t>();
        facts.bad_dates = root.at("bad_dates").get<std::size_t>();
        facts.beyond = root.value("beyond", std::size_t{0});  // kept by 0.1.0: there was no limit
        for (const auto& item : root.at("facts")) {
            Fact fact{item.at("content").get<std::string>(), item.at("confidence").get<int>(), std::nullopt};
            if (item.contains("event_at")) fact.event_at = item["event_at"].get<std::string>();
            facts.facts.push_back(std::move(fact));
        }
        return facts;
    } catch (const nlohmann::json::exception&) {
        // Its message quotes the text.
        throw std::invalid_argument("a kept reply is not in the form of the journal");
    }
}

}  // namespace memoir::extraction
