#include "pg/result.hpp"

#include <charconv>

#include "pg/error.hpp"

namespace memoir::pg {
namespace {

// Text parameters end at a zero byte: the rest would be cut off silently. The server has the same answer for
// it in text: 22021, character_not_in_repertoire.
void refuse_zero_byte(std::string_view value) {
    if (value.find('\0') != std::string_view::npos)
        throw Error(ErrorClass::data, "22021", "22021: U+0000 in a parameter");
}

void append_quoted(std::string& array, std::string_view value) {
    refuse_zero_byte(value);
    array += '"';
    for (const char letter : value) {
        if (letter == '"' || letter == '\\') array += '\\';
        array += letter;
    }
    array += '"';
}

// Shortest text that reads back as the same number; the server reads NaN and Infinity in any case.
template <typename Number>
void append_number(std::string& text, Number value) {
    char digits[64];
    const auto end = std::to_chars(std::begin(digits), std::end(digits), value).ptr;
    text.append(digits, end);
}

template <typename Values, typename Append>
std::string array_text(const Values& values, Append append) {
    std::string text = "{";
    for (const auto& value : values) {
        if (text.size() > 1) text += ',';
        append(text, value);
    }
    return text + "}";
}

template <typename Number>
Number parse(std::string_view text, const char* what) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        throw Error(ErrorClass::other, "", std::string("a column of ") + what + " holds something else");
    return value;
}

}  // namespace

Params& Params::add(std::string_view value) {
    refuse_zero_byte(value);
    values_.emplace_back(value);
    return *this;
}

Params& Params::add(std::int64_t value) {
    values_.emplace_back(std::to_string(value));
    return *this;
}

Params& Params::add(double value) {
    std::string text;
    append_number(text, value);
    values_.emplace_back(std::move(text));
    return *this;
}

Params& Params::add(bool value) {
    values_.emplace_back(value ? "t" : "f");
    return *this;
}

Params& Params::null() {
    values_.emplace_back(std::nullopt);
    return *this;
}

Params& Params::array(std::span<const std::int64_t> values) {
    values_.emplace_back(array_text(values, append_number<std::int64_t>));
    return *this;
}

Params& Params::array(std::span<const std::string> values) {
    values_.emplace_back(array_text(values, append_quoted));
    return *this;
}

Params& Params::array(std::span<const std::optional<std::string>> values) {
    values_.emplace_back(array_text(values, [](std::string& text, const std::optional<std::string>& value) {
        if (value)
            append_quoted(text, *value);
        else
            text += "NULL";
    }));
    return *this;
}

Params& Params::array(std::span<const float> values) {
    values_.emplace_back(array_text(values, append_number<float>));
    return *this;
}

std::vector<const char*> Params::pointers() const {
    std::vector<const char*> pointers;
    pointers.reserve(values_.size());
    for (const auto& value : values_) pointers.push_back(value ? value->c_str() : nullptr);
    return pointers;
}

std::optional<std::string> Result::optional(int row, int column) const {
    if (is_null(row, column)) return std::nullopt;
    return string(row, column);
}

std::int64_t Result::integer(int row, int column) const {
    return parse<std::int64_t>(text(row, column), "integers");
}

double Result::real(int row, int column) const {
    return parse<double>(text(row, column), "numbers");
}

std::vector<float> Result::floats(int row, int column) const {
    auto list = text(row, column);
    if (list.size() < 2 || list.front() != '{' || list.back() != '}')
        throw Error(ErrorClass::other, "", "a column of real[] holds something else");
    list = list.substr(1, list.size() - 2);
    std::vector<float> values;
    while (!list.empty()) {
        const auto comma = list.find(',');
        values.push_back(parse<float>(list.substr(0, comma), "real[]"));
        list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
    }
    return values;
}

std::int64_t Result::affected() const {
    if (!result_) return 0;
    // Empty for statements that touch no rows; libpq's accessor lacks const, not the intent.
    const std::string_view count = PQcmdTuples(result_.get());
    return count.empty() ? 0 : parse<std::int64_t>(count, "row counts");
}

}  // namespace memoir::pg
