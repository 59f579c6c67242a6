#include "telemetry/instruments.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace memoir::telemetry {
namespace {

std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    return fmt::format("{}", value);
}

// In HELP and in label values a backslash and a line feed are escaped; in label values the quote, too.
void append_escaped(std::string& out, std::string_view text, bool quote) {
    for (const char c : text) {
        if (c == '\n') {
            out += "\\n";
            continue;
        }
        if (c == '\\' || (quote && c == '"')) out += '\\';
        out += c;
    }
}

}  // namespace

void Counter::follow(std::uint64_t total) noexcept {
    std::uint64_t seen = value();
    while (seen < total && !value_.compare_exchange_weak(seen, total, std::memory_order_relaxed)) {
    }
}

Histogram::Histogram(std::span<const double> bounds) : bounds_(bounds), counts_(bounds.size() + 1) {}

void Histogram::observe(double value) noexcept {
    const auto bucket = std::ranges::lower_bound(bounds_, value) - bounds_.begin();  // bounds are inclusive
    counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<std::uint64_t> Histogram::counts() const {
    return {counts_.begin(), counts_.end()};
}

FamilyBase::FamilyBase(std::string name, std::string help, std::vector<std::string> labels)
    : name_(std::move(name)), help_(std::move(help)), labels_(std::move(labels)) {}

void FamilyBase::check(Labels values) const {
    if (values.size() != labels_.size())
        throw std::logic_error(fmt::format("{} has {} labels, not {}", name_, labels_.size(), values.size()));
}

void FamilyBase::append_head(std::string& out, std::string_view type) const {
    out += "# HELP " + name_ + ' ';
    append_escaped(out, help_, false);
    fmt::format_to(std::back_inserter(out), "\n# TYPE {} {}\n", name_, type);
}

void FamilyBase::append_series(std::string& out, std::string_view suffix, const Values& values,
                               std::string_view extra) const {
    out += name_;
    out += suffix;
    if (values.empty() && extra.empty()) return;
    char before = '{';
    for (std::size_t i = 0; i < values.size(); ++i) {
        out += std::exchange(before, ',');
        out += labels_[i] + "=\"";
        append_escaped(out, values[i], true);
        out += '"';
    }
    if (!extra.empty()) {
        out += before;
        out += extra;
    }
    out += '}';
}

void CounterFamily::append(std::string& out) const {
    std::shared_lock lock(mutex_);
    append_head(out, "counter");
    for (const auto& [values, counter] : series_) {
        append_series(out, "", values, "");
        fmt::format_to(std::back_inserter(out), " {}\n", counter->value());
    }
}

void GaugeFamily::append(std::string& out) const {
    std::shared_lock lock(mutex_);
    append_head(out, "gauge");
    for (const auto& [values, gauge] : series_) {
        append_series(out, "", values, "");
        out += ' ' + number(gauge->value()) + '\n';
    }
}

void GaugeFamily::clear() {
    std::unique_lock lock(mutex_);
    series_.clear();
}

HistogramFamily::HistogramFamily(std::string name, std::string help, std::vector<std::string> labels,
                                 std::vector<double> bounds)
    : Family(std::move(name), std::move(help), std::move(labels)), bounds_(std::move(bounds)) {}

void HistogramFamily::append(std::string& out) const {
    std::shared_lock lock(mutex_);
    append_head(out, "histogram");
    for (const auto& [values, histogram] : series_) {
        std::uint64_t cumulated = 0;
        const auto counts = histogram->counts();
        for (std::size_t i = 0; i < counts.size(); ++i) {
            cumulated += counts[i];
            const std::string bound = i < bounds_.size() ? number(bounds_[i]) : "+Inf";
            append_series(out, "_bucket", values, "le=\"" + bound + '"');
            fmt::format_to(std::back_inserter(out), " {}\n", cumulated);
        }
        append_series(out, "_sum", values, "");
        out += ' ' + number(histogram->sum()) + '\n';
        append_series(out, "_count", values, "");
        fmt::format_to(std::back_inserter(out), " {}\n", cumulated);
    }
}

}  // namespace memoir::telemetry
