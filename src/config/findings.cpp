#include "config/findings.hpp"

#include <algorithm>
#include <tuple>

namespace memoir::config {

std::string Origin::where() const {
    switch (level) {
        case Level::fallback:
            return "default";
        case Level::environment:
            return name;
        case Level::flag:
            return "--set " + printable(name);
        case Level::file:
            break;
    }
    std::string file = printable(name);
    if (at.line == 0) return file;
    return file + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
}

std::string Origin::comment() const {
    if (level == Level::environment) return "environment " + name;
    if (level != Level::file || at.line == 0) return where();
    return printable(name) + ":" + std::to_string(at.line);
}

std::vector<Problem> Findings::sorted(Entries entries) {
    std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
        return std::tie(a.first.level, a.first.at) < std::tie(b.first.level, b.first.at);
    });
    std::vector<Problem> problems;
    for (auto& [origin, complaint] : entries) {
        problems.push_back({origin.where(), std::move(complaint.text), std::move(complaint.hint)});
    }
    return problems;
}

std::string printable(std::string_view text) {
    constexpr std::size_t longest = 200;
    std::string out;
    for (const char c : text.substr(0, longest)) {
        const auto byte = static_cast<unsigned char>(c);
        out += byte < 0x20 || byte == 0x7F ? '?' : c;
    }
    if (invalid_utf8(out)) {  // also where the cut went through a character
        std::replace_if(
            out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) > 0x7F; }, '?');
    }
    if (text.size() > longest) out += "...";
    return out;
}

std::string Problem::to_string() const {
    std::string out = where + ": " + text;
    if (!hint.empty()) out += "\nHINT: " + hint;
    return out;
}

}  // namespace memoir::config
