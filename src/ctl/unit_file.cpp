#include "ctl/unit_file.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

namespace memoir::ctl {
namespace {

namespace fs = std::filesystem;

// What an operator wrote comes before what a package brought.
std::vector<std::string> folders() {
    std::vector<std::string> all{"/etc/systemd/system", "/run/systemd/system",
                                 "/usr/local/lib/systemd/system", "/lib/systemd/system",
                                 "/usr/lib/systemd/system"};
    const char* set = std::getenv("SYSTEMD_UNIT_PATH");
    if (!set || !*set) return all;
    std::vector<std::string> own;
    std::string_view rest(set);
    while (!rest.empty()) {
        const auto end = std::min(rest.find(':'), rest.size());
        if (end > 0) own.emplace_back(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    // A colon at the end: the usual ones, too.
    if (std::string_view(set).ends_with(':')) own.insert(own.end(), all.begin(), all.end());
    return own;
}

bool exists(const std::string& path) {
    std::error_code ignored;
    return fs::exists(fs::symlink_status(path, ignored));
}

std::vector<std::string> entries(const std::string& folder, std::string_view suffix) {
    std::vector<std::string> found;
    std::error_code error;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
        if (at->path().string().ends_with(suffix)) found.push_back(at->path().string());
    std::sort(found.begin(), found.end());
    return found;
}

std::string trimmed(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) return "";
    return std::string(text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1));
}

std::optional<double> unit_in_milliseconds(std::string_view unit) {
    struct Unit {
        std::string_view name;
        double milliseconds;
    };
    constexpr Unit units[]{{"", 1e3},        {"s", 1e3},    {"sec", 1e3},    {"second", 1e3},
                           {"seconds", 1e3}, {"ms", 1},     {"msec", 1},     {"us", 1e-3},
                           {"usec", 1e-3},   {"m", 6e4},    {"min", 6e4},    {"minute", 6e4},
                           {"minutes", 6e4}, {"h", 3.6e6},  {"hr", 3.6e6},   {"hour", 3.6e6},
                           {"hours", 3.6e6}, {"d", 8.64e7}, {"day", 8.64e7}, {"days", 8.64e7}};
    for (const auto& [name, milliseconds] : units)
        if (name == unit) return milliseconds;
    return std::nullopt;
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_time_span(std::string_view text) {
    double total = 0;
    bool any = false;
    while (true) {
        text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
        if (text.empty()) break;
        double number = 0;
        const auto parsed =
            std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
        if (parsed.ec != std::errc()) return std::nullopt;
        text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
        text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
        const auto end = std::min(text.find_first_of(" 0123456789"), text.size());
        const auto unit = unit_in_milliseconds(text.substr(0, end));
        if (!unit) return std::nullopt;
        text.remove_prefix(end);
        total += number * *unit;
        any = true;
    }
    if (!any) return std::nullopt;
    return std::chrono::milliseconds(static_cast<std::int64_t>(total));
}

std::optional<UnitFile> UnitFile::find(const std::string& name) {
    const auto all = folders();
    const auto folder = std::find_if(all.begin(), all.end(),
                                     [&](const std::string& each) { return exists(each + "/" + name); });
    if (folder == all.end()) return std::nullopt;
    UnitFile unit;
    unit.path_ = *folder + "/" + name;
    unit.read(unit.path_);
    // The least important folder first, so that a later assignment stands.
    for (auto each = all.rbegin(); each != all.rend(); ++each) {
        for (const auto& file : entries(*each + "/" + name + ".d", ".conf")) unit.read(file);
        for (const char* kind : {".wants", ".requires"})
            for (const auto& target : entries(*each, kind))
                if (exists(target + "/" + name)) unit.enabled_ = true;
    }
    return unit;
}

void UnitFile::read(const std::string& path) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        const auto equals = line.find('=');
        if (line.starts_with('#') || line.starts_with(';') || equals == std::string::npos) continue;
        values_[trimmed(line.substr(0, equals))] = trimmed(line.substr(equals + 1));
    }
}

std::optional<std::string> UnitFile::value(const std::string& key) const {
    const auto found = values_.find(key);
    if (found == values_.end() || found->second.empty()) return std::nullopt;
    return found->second;
}

std::optional<std::int64_t> UnitFile::number(const std::string& key) const {
    const auto text = value(key);
    if (!text) return std::nullopt;
    std::int64_t number = 0;  // "SOFT:HARD": the soft one
    const auto parsed = std::from_chars(text->data(), text->data() + text->size(), number);
    if (parsed.ec != std::errc()) return std::nullopt;
    return number;
}

std::optional<std::chrono::milliseconds> UnitFile::duration(const std::string& key,
                                                            std::chrono::milliseconds fallback) const {
    const auto text = value(key);
    return text ? parse_time_span(*text) : fallback;
}

}  // namespace memoir::ctl
