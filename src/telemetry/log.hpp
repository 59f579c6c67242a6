#pragma once
// Events: what operators see. An event has a stable name (docs/contract.md, "Event names"), a level, a
// message of ours and typed fields. Fields and messages never hold memory content, prompts, replies,
// feedback, credentials or a URL's user-info. Thread safety: Log::emit may be called from any thread and does
// not block on the sink.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace memoir::telemetry {

enum class Level { debug, info, warning, error };

std::string_view to_string(Level level);

struct Field {
    std::string_view key;  // lower_snake_case literal, e.g. "job_id"; the journal shows MEMOIR_JOB_ID
    std::variant<std::string, std::int64_t, double, bool> value;
};

struct Event {
    Level level;
    std::string_view name;  // a literal: "memoir.worker.job_failed"
    std::string message;
    std::vector<Field> fields;
};

class Log {
  public:
    virtual ~Log() = default;
    virtual void emit(Event event) = 0;
    // False: an event of this level would be dropped, so need not be built.
    virtual bool wants(Level level) const = 0;

    void debug(std::string_view name, std::string message, std::vector<Field> fields = {}) {
        if (wants(Level::debug)) emit({Level::debug, name, std::move(message), std::move(fields)});
    }
    void info(std::string_view name, std::string message, std::vector<Field> fields = {}) {
        if (wants(Level::info)) emit({Level::info, name, std::move(message), std::move(fields)});
    }
    void warning(std::string_view name, std::string message, std::vector<Field> fields = {}) {
        if (wants(Level::warning)) emit({Level::warning, name, std::move(message), std::move(fields)});
    }
    void error(std::string_view name, std::string message, std::vector<Field> fields = {}) {
        if (wants(Level::error)) emit({Level::error, name, std::move(message), std::move(fields)});
    }
};

}  // namespace memoir::telemetry
