#include "extraction/lenient_json.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/json_text.hpp"
#include "extraction/text.hpp"

namespace memoir::extraction {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// [+-] digits [. digits] [e [+-] digits], a digit before or after the point; npos when it is none.
std::size_t number_end(std::string_view text, std::size_t at) {
    const auto digits = [&] {
        const auto from = at;
        while (at < text.size() && is_digit(text[at])) ++at;
        return at - from;
    };
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    auto count = digits();
    if (at < text.size() && text[at] == '.') count += (++at, digits());
    if (count == 0) return std::string_view::npos;
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
        ++at;
        if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
        if (digits() == 0) return std::string_view::npos;
    }
    return at;
}

// `text` is what number_end() accepted. from_chars does not say on which side a number is out of range.
double to_double(std::string_view text) {
    const bool negative = text.front() == '-';
    if (negative || text.front() == '+') text.remove_prefix(1);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc::result_out_of_range) {
        const auto exponent = text.find_first_of("eE");
        const auto whole = text.substr(0, text.find_first_of(".eE"));
        const bool huge = exponent == std::string_view::npos
                              ? whole.find_first_not_of('0') != std::string_view::npos
                              : text[exponent + 1] != '-';
        value = huge ? std::numeric_limits<double>::infinity() : 0;
    }
    return negative ? -value : value;
}

char simple_escape(char c) {
    switch (c) {
        case 'b':
            return '\b';
        case 'f':
            return '\f';
        case 'n':
            return '\n';
        case 'r':
            return '\r';
        case 't':
            return '\t';
        case '"':
        case '\\':
        case '/':
        case '\'':
            return c;
        default:
            return '\0';
    }
}

// Appends what the escape at `at` (its backslash) means, returns the position after it. An escape that JSON
// does not know ("\d" in a regular expression) stands for itself.
std::size_t append_escape(std::string& out, std::string_view raw, std::size_t at) {
    const char c = raw[at + 1];
    if (const char plain = simple_escape(c)) return out += plain, at + 2;
    const int unit = c == 'u' ? hex4(raw, at + 2) : -1;
    if (unit < 0) return out += '\\', at + 1;
    if (unit >= 0xD800 && unit <= 0xDBFF && raw.substr(at + 6).starts_with("\\u")) {
        const int low = hex4(raw, at + 8);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            append_scalar(out, static_cast<char32_t>(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)));
            return at + 12;
        }
    }
    append_scalar(out, static_cast<char32_t>(unit));
    return at + 6;
}

// The inside of a string literal.
std::string decode(std::string_view raw) {
    std::string out;
    for (std::size_t at = 0; at < raw.size();) {
        const auto escape = std::min(raw.find('\\', at), raw.size());
        out += clean(raw.substr(at, escape - at));
        at = escape;
        if (at + 1 < raw.size()) at = append_escape(out, raw, at);
    }
    return out;
}

}  // namespace

std::optional<JsonValue> JsonScanner::value(std::size_t at) {
    furthest_ = at;
    owner_.reset();
    JsonValue found{JsonKind::null, at, 0};
    found.end = skip(at, 0, found.kind);
    if (found.end == npos) return std::nullopt;
    furthest_ = found.end;
    return found;
}

std::size_t JsonScanner::skip(std::size_t at, int depth, JsonKind& kind) {
    struct Word {
        std::string_view text;
        JsonKind kind;
    };
    static constexpr Word words[] = {{"null", JsonKind::null},       {"true", JsonKind::boolean},
                                     {"false", JsonKind::boolean},   {"NaN", JsonKind::number},
                                     {"Infinity", JsonKind::number}, {"-Infinity", JsonKind::number}};
    if (depth > max_depth) return fail(at);
    switch (peek(at)) {
        case '{':
            kind = JsonKind::object;
            return skip_object(at, depth);
        case '[':
            kind = JsonKind::array;
            return skip_array(at, depth);
        case '"': {
            kind = JsonKind::string;
            const auto end = skip_string(at);
            return end == npos ? fail(text_.size()) : end;
        }
        default:
            break;
    }
    for (const auto& word : words)
        if (starts(at, word.text)) return kind = word.kind, at + word.text.size();
    kind = JsonKind::number;
    const auto end = skip_number(at);
    return end == npos ? fail(at) : end;
}

std::size_t JsonScanner::skip_object(std::size_t at, int depth) {
    const auto begin = at;
    std::optional<JsonValue> list;
    at = skip_blanks(at + 1);
    while (peek(at) != '}') {
        const auto key_end = peek(at) == '"' ? skip_string(at) : fail(at);
        if (key_end == npos) return fail(peek(at) == '"' ? text_.size() : at);
        const bool wanted = is_wanted(at, key_end);
        at = skip_blanks(key_end);
        if (peek(at) != ':') return fail(at);
        JsonValue member;
        member.begin = skip_blanks(at + 1);
        member.end = skip(member.begin, depth + 1, member.kind);
        if (member.end == npos) return npos;
        if (wanted) {
            const bool is_list = member.kind == JsonKind::array || member.kind == JsonKind::null;
            list = is_list ? std::optional(member) : std::nullopt;
        }
        at = skip_blanks(member.end);
        if (peek(at) == ',')
            at = skip_blanks(at + 1);
        else if (peek(at) != '}')
            return fail(at);
    }
    if (list && (!owner_ || begin < owner_->object)) owner_ = ListOwner{begin, *list};
    return at + 1;
}

std::size_t JsonScanner::skip_array(std::size_t at, int depth) {
    at = skip_blanks(at + 1);
    while (peek(at) != ']') {
        JsonKind kind{};
        at = skip(at, depth + 1, kind);
        if (at == npos) return npos;
        at = skip_blanks(at);
        if (peek(at) == ',')
            at = skip_blanks(at + 1);
        else if (peek(at) != ']')
            return fail(at);
    }
    return at + 1;
}

std::size_t JsonScanner::skip_string(std::size_t at) const {
    for (++at; at < text_.size(); ++at) {
        if (text_[at] == '"') return at + 1;
        if (text_[at] == '\\') ++at;
    }
    return npos;
}

std::size_t JsonScanner::skip_number(std::size_t at) const {
    return number_end(text_, at);
}

std::size_t JsonScanner::skip_blanks(std::size_t at) const {
    while (at < text_.size()) {
        const char c = text_[at];
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            ++at;
        } else if (starts(at, "//")) {
            at = std::min(text_.find('\n', at), text_.size());
        } else if (starts(at, "/*")) {
            const auto end = text_.find("*/", at + 2);
            at = end == npos ? text_.size() : end + 2;
        } else {
            break;
        }
    }
    return at;
}

bool JsonScanner::is_wanted(std::size_t begin, std::size_t end) const {
    const auto raw = text_.substr(begin + 1, end - begin - 2);
    if (raw == wanted_) return true;
    // Escaped letters make a key at most six times as long.
    return raw.size() <= wanted_.size() * 6 && raw.find('\\') != npos && decode(raw) == wanted_;
}

void JsonScanner::each_element(const JsonValue& list,
                               const std::function<void(const JsonValue&)>& visit) const {
    if (list.kind != JsonKind::array) return;
    JsonScanner inner(text_, wanted_);
    for (auto at = skip_blanks(list.begin + 1); peek(at) != ']';) {
        const auto element = inner.value(at);
        if (!element) return;
        visit(*element);
        at = skip_blanks(element->end);
        if (peek(at) == ',') at = skip_blanks(at + 1);
    }
}

void JsonScanner::each_member(
    const JsonValue& object,
    const std::function<void(const std::string& key, const JsonValue&)>& visit) const {
    JsonScanner inner(text_, wanted_);
    for (auto at = skip_blanks(object.begin + 1); peek(at) == '"';) {
        const auto key_end = skip_string(at);
        const auto key = decode(text_.substr(at + 1, key_end - at - 2));
        const auto member = inner.value(skip_blanks(skip_blanks(key_end) + 1));
        if (!member) return;
        visit(key, *member);
        at = skip_blanks(member->end);
        if (peek(at) == ',') at = skip_blanks(at + 1);
    }
}

std::string JsonScanner::string(const JsonValue& value) const {
    return decode(text_.substr(value.begin + 1, value.end - value.begin - 2));
}

double JsonScanner::number(const JsonValue& value) const {
    const auto raw = text_.substr(value.begin, value.end - value.begin);
    if (raw == "NaN") return std::numeric_limits<double>::quiet_NaN();
    if (raw.ends_with("Infinity"))
        return raw.front() == '-' ? -std::numeric_limits<double>::infinity()
                                  : std::numeric_limits<double>::infinity();
    return to_double(raw);
}

std::optional<double> number_in_words(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    const auto begin = text.find_first_not_of(blanks);
    if (begin == std::string_view::npos) return std::nullopt;
    const auto end = number_end(text, begin);
    if (end == std::string_view::npos) return std::nullopt;
    const double value = to_double(text.substr(begin, end - begin));
    const auto rest = text.find_first_not_of(blanks, end);
    if (rest == std::string_view::npos) return value;
    if (text[rest] == '%' && text.find_first_not_of(blanks, rest + 1) == std::string_view::npos)
        return value / 100;
    return std::nullopt;
}

}  // namespace memoir::extraction
