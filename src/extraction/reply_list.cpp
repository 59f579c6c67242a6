#include "extraction/reply_list.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include "base/failure.hpp"

namespace memoir::extraction {

namespace {

constexpr auto npos = std::string_view::npos;

// The tags that models put around their reasoning.
constexpr std::array<std::string_view, 4> tags = {"think", "thinking", "thought", "reasoning"};

// Each parse that fails costs what it read, and is tried again from the next brace. Honest replies stay below
// 3 × their length; a text built to make every brace fail late is given up.
constexpr std::size_t work_per_byte = 8;

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

struct Tag {
    std::string_view name;
    bool closes = false;
    std::size_t end = 0;
};

// The reasoning tag that begins at `at`, in any case.
std::optional<Tag> tag_at(std::string_view text, std::size_t at) {
    if (text[at] != '<') return std::nullopt;
    const bool closes = text.substr(at + 1).starts_with('/');
    const auto rest = text.substr(at + (closes ? 2 : 1), 16);
    for (const auto name : tags)
        if (rest.size() > name.size() && rest[name.size()] == '>' &&
            std::equal(name.begin(), name.end(), rest.begin(), [](char a, char b) { return a == lower(b); }))
            return Tag{name, closes, at + (closes ? 2 : 1) + name.size() + 1};
    return std::nullopt;
}

std::size_t after_closing(std::string_view text, const Tag& open) {
    for (auto at = text.find('<', open.end); at != npos; at = text.find('<', at + 1))
        if (const auto tag = tag_at(text, at); tag && tag->closes && tag->name == open.name) return tag->end;
    return npos;
}

// What is left of a reply outside of reasoning is `{}`, in fences or not: small models' way to say that there
// is nothing.
bool says_nothing(std::string_view reply) {
    std::string rest;
    for (std::size_t at = 0; at < reply.size();) {
        if (const auto tag = tag_at(reply, at)) {
            if (tag->closes) rest.clear();
            at = tag->closes ? tag->end : after_closing(reply, *tag);
            if (at == npos) break;
            continue;
        }
        if (!std::isspace(static_cast<unsigned char>(reply[at]))) rest += reply[at];
        ++at;
    }
    return rest == "{}" || rest == "```json{}```" || rest == "```{}```";
}

std::string size_text(std::string_view reply) {
    return std::to_string(reply.size()) + " bytes";
}

// One walk from front to back. A reasoning block is passed over; one that never closes takes the rest with
// it. A closing tag without an opening one (templates that open the block themselves) makes all before it
// reasoning, and with it what was found there. Tags within a parsed object are content.
std::optional<ListOwner> find_list(std::string_view reply, std::string_view key) {
    JsonScanner scanner(reply, key);
    std::optional<ListOwner> found;
    std::size_t work = 0;
    for (std::size_t at = reply.find_first_of("{<"); at != npos; at = reply.find_first_of("{<", at)) {
        if (const auto tag = tag_at(reply, at)) {
            if (tag->closes) found.reset();
            at = tag->closes ? tag->end : after_closing(reply, *tag);
            if (at == npos) break;
            continue;
        }
        const auto object = reply[at] == '{' ? scanner.value(at) : std::nullopt;
        if (object && !found) found = scanner.owner();
        if (reply[at] == '{') work += scanner.furthest() - at;
        if (work > work_per_byte * (reply.size() + 1))
            throw Failure(FailureType::job, "reply is too tangled to read (" + size_text(reply) + ")");
        at = object ? object->end : at + 1;
    }
    return found;
}

}  // namespace

void each_in_list(std::string_view reply, std::string_view key,
                  const std::function<void(const JsonScanner&, const JsonValue&)>& visit) {
    if (reply.size() > max_reply_bytes)
        throw Failure(FailureType::job, "reply is too long to read (" + size_text(reply) + ")");
    const auto owner = find_list(reply, key);
    if (!owner && says_nothing(reply)) return;
    if (!owner)
        throw Failure(FailureType::job,
                      "reply holds no list of " + std::string(key) + " (" + size_text(reply) + ")");
    const JsonScanner scanner(reply, key);
    scanner.each_element(owner->list, [&](const JsonValue& element) { visit(scanner, element); });
}

std::optional<float> read_confidence(const JsonScanner& scanner, const JsonValue& value) {
    if (value.kind == JsonKind::number) return static_cast<float>(scanner.number(value));
    if (value.kind == JsonKind::string)
        if (const auto number = number_in_words(scanner.string(value))) return static_cast<float>(*number);
    return std::nullopt;
}

}  // namespace memoir::extraction
