#include "ctl/table.hpp"

#include <algorithm>
#include <cmath>
#include <ostream>

#include "telemetry/escape.hpp"

namespace memoir::ctl {
namespace {

// Code points, which is close enough for names and reasons.
std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace

void Table::add(std::vector<std::string> cells) {
    for (auto& cell : cells) cell = printable(cell);
    cells.resize(columns_.size());
    rows_.push_back(std::move(cells));
}

std::ostream& operator<<(std::ostream& out, const Table& table) {
    std::vector<std::size_t> widths;
    for (std::size_t i = 0; i < table.columns_.size(); ++i) {
        widths.push_back(width(table.columns_[i].title));
        for (const auto& row : table.rows_) widths[i] = std::max(widths[i], width(row[i]));
    }
    const auto line = [&](const auto& cell) {
        std::string text;
        for (std::size_t i = 0; i < widths.size(); ++i) {
            const std::string_view content = cell(i);
            const std::string fill(widths[i] - width(content), ' ');
            if (i > 0) text += "  ";
            if (table.columns_[i].align == Table::Align::right)
                text.append(fill).append(content);
            else
                text.append(content).append(fill);
        }
        text.erase(text.find_last_not_of(' ') + 1);
        out << text << '\n';
    };
    line([&](std::size_t i) { return table.columns_[i].title; });
    for (const auto& row : table.rows_) line([&](std::size_t i) { return std::string_view(row[i]); });
    return out;
}

std::string age(double seconds) {
    seconds = std::max(seconds, 0.0);
    const auto whole = [](double value) { return std::to_string(static_cast<std::int64_t>(value)); };
    if (seconds < 120) return whole(seconds) + " s";
    if (seconds < 2 * 3600) return whole(seconds / 60) + " min";
    if (seconds < 2 * 86400) return whole(seconds / 3600) + " h";
    return whole(seconds / 86400) + " d";
}

std::string age(const std::optional<double>& seconds) {
    return seconds ? age(*seconds) : "-";
}

std::string count(std::int64_t value, bool capped) {
    return std::to_string(value) + (capped ? "+" : "");
}

std::string printable(std::string_view text) {
    std::string out;
    telemetry::append_plain(out, text);
    return out;
}

std::string shown_url(std::string_view url) {
    url = url.substr(0, url.find_first_of("?#"));
    const auto scheme = url.find("://");
    const auto host = scheme == std::string_view::npos ? 0 : scheme + 3;
    const auto path = std::min(url.find('/', host), url.size());
    const auto at = url.substr(host, path - host).rfind('@');
    std::string shown(url.substr(0, host));
    return shown.append(url.substr(at == std::string_view::npos ? host : host + at + 1));
}

}  // namespace memoir::ctl
