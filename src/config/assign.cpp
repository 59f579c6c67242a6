#include "config/assign.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/join.hpp"
#include "config/addresses.hpp"
#include "config/duration.hpp"
#include "config/nearest.hpp"

namespace memoir::config {
namespace {

using Result = std::optional<Complaint>;

std::string_view expected(Type type) {
    switch (type) {
        case Type::integer:
            return "an integer";
        case Type::duration:
            return "a duration";
        case Type::boolean:
            return "true or false";
        case Type::number:
            return "a number";
        case Type::list:
            return "a list of strings";
        case Type::url:
            return "a URL";
        case Type::path:
            return "a path";
        default:
            return "a string";
    }
}

bool is_number(std::string_view text) {
    double number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

// What to write where a value of another type stands.
std::string hint_for(const Setting& setting) {
    const std::string begin = "write " + setting.match.name() + " = ";
    const Node& found = setting.value;
    const bool text = found.type == Node::Type::text;
    switch (setting.match.key->type) {
        case Type::duration:
            if (found.type == Node::Type::integer) {
                return begin + "\"" + std::to_string(found.integer) + "s\" (units: ms, s, m, h, d)";
            }
            return begin + "\"30s\" (units: ms, s, m, h, d)";
        case Type::integer:
            if (text && is_number(found.text)) return begin + found.text + ", without quotes";
            return begin + "a whole number";
        case Type::number:
            if (text && is_number(found.text)) return begin + found.text + ", without quotes";
            return begin + "a number, without quotes";
        case Type::boolean:
            return begin + "true or " + begin.substr(6) + "false, without quotes";
        case Type::list:
            return begin + "[\"" + std::string(setting.match.key->choices.front()) + "\"], with brackets";
        case Type::choice:
            return "one of " + join(setting.match.key->choices);
        default:
            if (found.type == Node::Type::integer) {
                return begin + "\"" + std::to_string(found.integer) + "\", in quotes";
            }
            return begin + "\"...\", in quotes";
    }
}

Complaint wrong_type(const Setting& setting) {
    return {setting.match.path() + " must be " + std::string(expected(setting.match.key->type)) + ", not " +
                std::string(with_article(setting.value.type)),
            hint_for(setting)};
}

bool has_control_character(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte == 0x7F;
    });
}

std::string trimmed(double value) {
    std::string text = std::to_string(value);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text;
}

Complaint out_of_range(const Setting& setting, const std::string& is, const std::string& low,
                       const std::string& high) {
    return {setting.match.path() + " is " + is + ", outside its range",
            "it must be between " + low + " and " + high};
}

Result assign_integer(Target target, const Setting& setting) {
    const Key& key = *setting.match.key;
    if (setting.value.type != Node::Type::integer) return wrong_type(setting);
    const std::int64_t value = setting.value.integer;
    const auto low = static_cast<std::int64_t>(key.low), high = static_cast<std::int64_t>(key.high);
    if (value < low || value > high) {
        return out_of_range(setting, std::to_string(value), std::to_string(low), std::to_string(high));
    }
    *std::get<int*>(target) = static_cast<int>(value);
    return {};
}

Result assign_number(Target target, const Setting& setting) {
    const Key& key = *setting.match.key;
    const bool whole = setting.value.type == Node::Type::integer;
    if (!whole && setting.value.type != Node::Type::number) return wrong_type(setting);
    const double value = whole ? static_cast<double>(setting.value.integer) : setting.value.number;
    if (!(value >= key.low && value <= key.high)) {  // also NaN
        return out_of_range(setting, trimmed(value), trimmed(key.low), trimmed(key.high));
    }
    *std::get<double*>(target) = value;
    return {};
}

Result assign_duration(Target target, const Setting& setting) {
    const Key& key = *setting.match.key;
    if (setting.value.type != Node::Type::text) return wrong_type(setting);
    const auto value = parse_duration(setting.value.text);
    if (!value) {
        const bool bare = is_number(setting.value.text);
        return Complaint{setting.match.path() + (bare ? " has no unit" : " is not a duration"),
                         "write \"" + (bare ? setting.value.text + "s\"" : "30s\", \"500ms\" or \"1m30s\"") +
                             " (units: ms, s, m, h, d)"};
    }
    const auto low = std::chrono::milliseconds(static_cast<std::int64_t>(key.low));
    const auto high = std::chrono::milliseconds(static_cast<std::int64_t>(key.high));
    if (*value < low || *value > high) {
        return out_of_range(setting, format_duration(*value), format_duration(low), format_duration(high));
    }
    *std::get<std::chrono::milliseconds*>(target) = *value;
    return {};
}

Result assign_choice(Target target, const Setting& setting) {
    const auto& choices = setting.match.key->choices;
    if (setting.value.type != Node::Type::text) return wrong_type(setting);
    const auto found = std::find(choices.begin(), choices.end(), setting.value.text);
    if (found == choices.end()) {
        const std::string near = nearest(setting.value.text, {choices.begin(), choices.end()});
        return Complaint{
            setting.match.path() + " does not accept this value",
            (near.empty() ? "" : "did you mean \"" + near + "\"? ") + "it is one of " + join(choices)};
    }
    const auto index = found - choices.begin();
    if (auto** text = std::get_if<std::string*>(&target)) **text = *found;
    if (auto** flag = std::get_if<bool*>(&target)) **flag = index == 1;
    if (auto** level = std::get_if<telemetry::Level*>(&target))
        **level = static_cast<telemetry::Level>(index);
    if (auto** format = std::get_if<telemetry::Format*>(&target)) {
        **format = static_cast<telemetry::Format>(index);
    }
    return {};
}

Result assign_list(Target target, const Setting& setting) {
    const auto& choices = setting.match.key->choices;
    if (setting.value.type != Node::Type::list) return wrong_type(setting);
    std::vector<std::string> values;
    for (const Node& item : setting.value.items) {
        if (item.type != Node::Type::text) {
            return Complaint{setting.match.path() + " has " + std::string(with_article(item.type)) +
                                 " where a string is expected",
                             "write each one in quotes", item.at};
        }
        if (item.text.empty() || has_control_character(item.text) || invalid_utf8(item.text)) {
            return Complaint{
                setting.match.path() + " contains an empty string, or one with control characters",
                "leave it out", item.at};
        }
        // Without choices any text will do.
        if (!choices.empty() && std::find(choices.begin(), choices.end(), item.text) == choices.end()) {
            const std::string near = nearest(item.text, {choices.begin(), choices.end()});
            return Complaint{
                setting.match.path() + " names a kind that does not exist",
                (near.empty() ? "" : "did you mean \"" + near + "\"? ") + "the kinds are " + join(choices),
                item.at};
        }
        if (std::find(values.begin(), values.end(), item.text) != values.end()) {
            return Complaint{setting.match.path() + " names " + item.text + " twice", "name each one once",
                             item.at};
        }
        values.push_back(item.text);
    }
    *std::get<std::vector<std::string>*>(target) = std::move(values);
    return {};
}

Result assign_text(Target target, const Setting& setting) {
    const Key& key = *setting.match.key;
    if (setting.value.type != Node::Type::text) return wrong_type(setting);
    const std::string& text = setting.value.text;
    if (text.empty() && !key.may_be_empty) {
        return Complaint{setting.match.path() + " is empty",
                         "name one, or leave the key out for its default"};
    }
    if (has_control_character(text) || invalid_utf8(text)) {
        return Complaint{setting.match.path() + " contains a control character or is not UTF-8",
                         "write one line without tabs"};
    }
    if (key.type == Type::url && !text.empty()) {
        if (auto complaint = check_url(setting.match, text)) return complaint;
    }
    if (key.type == Type::path && text.starts_with("~")) {
        return Complaint{setting.match.path() + " begins with ~, which memoird does not expand",
                         "write the full path"};
    }
    *std::get<std::string*>(target) = text;
    return {};
}

template <typename T>
std::string chosen(const Key& key, T* value) {
    if constexpr (std::is_same_v<T, std::string>) {
        return *value;
    } else {
        return std::string(key.choices[static_cast<std::size_t>(*value)]);
    }
}

}  // namespace

std::optional<Complaint> assign(Config& config, const Setting& setting) {
    const Target target = setting.match.key->target(config, setting.match.instance);
    switch (setting.match.key->type) {
        case Type::integer:
            return assign_integer(target, setting);
        case Type::number:
            return assign_number(target, setting);
        case Type::duration:
            return assign_duration(target, setting);
        case Type::choice:
            return assign_choice(target, setting);
        case Type::list:
            return assign_list(target, setting);
        case Type::boolean:
            if (setting.value.type != Node::Type::boolean) return wrong_type(setting);
            *std::get<bool*>(target) = setting.value.boolean;
            return {};
        case Type::text:
        case Type::url:
        case Type::path:
        case Type::secret:
            break;
    }
    return assign_text(target, setting);
}

std::string toml_text(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte == 0x7F) {
            out += "\\u00";
            out += digits[byte >> 4];
            out += digits[byte & 15];
        } else {
            out += c;
        }
    }
    return out + "\"";
}

std::string as_toml(const Key& key, const Target& target) {
    if (key.type == Type::choice) {
        return std::visit(
            [&](auto* value) -> std::string {
                using T = std::remove_pointer_t<decltype(value)>;
                constexpr bool indexed = std::is_same_v<T, bool> || std::is_enum_v<T>;
                if constexpr (indexed || std::is_same_v<T, std::string>) {
                    return toml_text(chosen(key, value));
                } else {
                    return "";
                }
            },
            target);
    }
    if (auto* const* text = std::get_if<std::string*>(&target)) return toml_text(**text);
    if (auto* const* integer = std::get_if<int*>(&target)) return std::to_string(**integer);
    if (auto* const* flag = std::get_if<bool*>(&target)) return **flag ? "true" : "false";
    if (auto* const* duration = std::get_if<std::chrono::milliseconds*>(&target)) {
        return toml_text(format_duration(**duration));
    }
    if (auto* const* number = std::get_if<double*>(&target)) {
        char buffer[32];
        const auto end = std::to_chars(buffer, buffer + sizeof buffer, **number).ptr;
        std::string shortest(buffer, end);
        return shortest.find_first_of(".e") == shortest.npos ? shortest + ".0" : shortest;
    }
    if (auto* const* list = std::get_if<std::vector<std::string>*>(&target)) {
        std::vector<std::string> items;
        for (const std::string& item : **list) items.push_back(toml_text(item));
        return "[" + join(items) + "]";
    }
    return "";
}

}  // namespace memoir::config
