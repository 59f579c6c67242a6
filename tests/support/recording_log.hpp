#pragma once
// A log that keeps its events, for assertions. Thread safety: all of it.

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

#include "telemetry/log.hpp"

namespace memoir::test {

// An event whose name and field values are owned.
struct Recorded {
    telemetry::Level level;
    std::string name, message;
    std::vector<std::pair<std::string, std::string>> fields;
    std::string field(const std::string& key) const {
        for (const auto& [own, value] : fields)
            if (own == key) return value;
        return {};
    }
};

class RecordingLog : public telemetry::Log {
  public:
    void emit(telemetry::Event event) override {
        Recorded recorded{event.level, std::string(event.name), std::move(event.message), {}};
        for (auto& field : event.fields) recorded.fields.emplace_back(std::string(field.key), text(field));
        std::lock_guard lock(mutex_);
        events_.push_back(std::move(recorded));
    }
    bool wants(telemetry::Level) const override { return true; }

    std::vector<Recorded> events() const {
        std::lock_guard lock(mutex_);
        return events_;
    }
    std::vector<Recorded> named(const std::string& name) const {
        auto all = events();
        std::erase_if(all, [&](const Recorded& event) { return event.name != name; });
        return all;
    }
    std::size_t count(const std::string& name) const { return named(name).size(); }
    void clear() {
        std::lock_guard lock(mutex_);
        events_.clear();
    }

  private:
    static std::string text(const telemetry::Field& field) {
        struct Visitor {
            std::string operator()(const std::string& value) const { return value; }
            std::string operator()(std::int64_t value) const { return std::to_string(value); }
            std::string operator()(double value) const { return std::to_string(value); }
            std::string operator()(bool value) const { return value ? "true" : "false"; }
        };
        return std::visit(Visitor{}, field.value);
    }
    mutable std::mutex mutex_;
    std::vector<Recorded> events_;
};

}  // namespace memoir::test
