#pragma once
// Counters, gauges and histograms with labels, and their Prometheus text (exposition format 0.0.4). A family
// is one metric; its series are created when a set of label values is first used, and are kept. An update
// costs a shared lock, a look-up and one relaxed atomic; where that is too much, keep the reference that
// with() returns: it is valid as long as the family. Label values come from configuration and our own tables,
// never from outside: each new one is a new series for ever. Thread safety: all of it.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace memoir::telemetry {

// The values of a family's labels, in the order in which it names them.
using Labels = std::initializer_list<std::string_view>;

class Counter {
  public:
    void add(std::uint64_t n = 1) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
    // For a count that is kept elsewhere: adopts it unless it is lower than the last one.
    void follow(std::uint64_t total) noexcept;
    std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

class Gauge {
  public:
    void set(double value) noexcept { value_.store(value, std::memory_order_relaxed); }
    void add(double value) noexcept { value_.fetch_add(value, std::memory_order_relaxed); }
    double value() const noexcept { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<double> value_{0};
};

class Histogram {
  public:
    explicit Histogram(std::span<const double> bounds);  // ascending, outlives this; +Inf is added
    void observe(double value) noexcept;
    // Per bucket, not cumulated; the last is +Inf.
    std::vector<std::uint64_t> counts() const;
    double sum() const noexcept { return sum_.load(std::memory_order_relaxed); }
    std::span<const double> bounds() const { return bounds_; }

  private:
    std::span<const double> bounds_;
    std::vector<std::atomic<std::uint64_t>> counts_;
    std::atomic<double> sum_{0};
};

// What a registry needs of a family.
class FamilyBase {
  public:
    FamilyBase(std::string name, std::string help, std::vector<std::string> labels);
    virtual ~FamilyBase() = default;
    FamilyBase(const FamilyBase&) = delete;
    FamilyBase& operator=(const FamilyBase&) = delete;
    virtual void append(std::string& out) const = 0;

  protected:
    using Values = std::vector<std::string>;
    void append_head(std::string& out, std::string_view type) const;
    // NAMESUFFIX{label="value",…,EXTRA}; `extra` is a label of the exposition itself (le="…"), or empty.
    void append_series(std::string& out, std::string_view suffix, const Values& values,
                       std::string_view extra) const;
    void check(Labels values) const;  // throws std::logic_error: another number of labels than declared

    std::string name_, help_;
    std::vector<std::string> labels_;
};

template <typename Instrument>
class Family : public FamilyBase {
  public:
    using FamilyBase::FamilyBase;

    Instrument& with(Labels values) {
        {
            std::shared_lock lock(mutex_);
            if (const auto found = series_.find(values); found != series_.end()) return *found->second;
        }
        check(values);
        std::unique_lock lock(mutex_);
        if (const auto found = series_.find(values); found != series_.end()) return *found->second;
        return *series_.emplace(Values(values.begin(), values.end()), make()).first->second;
    }

  protected:
    virtual std::unique_ptr<Instrument> make() const = 0;

    struct Less {
        using is_transparent = void;
        template <typename A, typename B>
        bool operator()(const A& a, const B& b) const {
            return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                                [](std::string_view x, std::string_view y) { return x < y; });
        }
    };
    mutable std::shared_mutex mutex_;
    std::map<Values, std::unique_ptr<Instrument>, Less> series_;
};

class CounterFamily : public Family<Counter> {
  public:
    using Family::Family;
    void add(Labels values, std::uint64_t n = 1) { with(values).add(n); }
    std::uint64_t value(Labels values) { return with(values).value(); }
    void append(std::string& out) const override;

  private:
    std::unique_ptr<Counter> make() const override { return std::make_unique<Counter>(); }
};

class GaugeFamily : public Family<Gauge> {
  public:
    using Family::Family;
    void set(Labels values, double value) { with(values).set(value); }
    void add(Labels values, double value) { with(values).add(value); }
    double value(Labels values) { return with(values).value(); }
    // Drops all series, before a set of labels that can shrink is written again. Invalidates references from
    // with().
    void clear();
    void append(std::string& out) const override;

  private:
    std::unique_ptr<Gauge> make() const override { return std::make_unique<Gauge>(); }
};

class HistogramFamily : public Family<Histogram> {
  public:
    HistogramFamily(std::string name, std::string help, std::vector<std::string> labels,
                    std::vector<double> bounds);
    void observe(Labels values, double value) { with(values).observe(value); }
    // Durations are seconds in metrics.
    template <typename Rep, typename Period>
    void observe(Labels values, std::chrono::duration<Rep, Period> value) {
        with(values).observe(std::chrono::duration<double>(value).count());
    }
    void append(std::string& out) const override;

  private:
    std::unique_ptr<Histogram> make() const override { return std::make_unique<Histogram>(bounds_); }
    std::vector<double> bounds_;
};

}  // namespace memoir::telemetry
