#include "telemetry/format.hpp"

#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <cmath>
#include <iterator>

#include "telemetry/escape.hpp"

namespace memoir::telemetry {
namespace {

bool reserved(std::string_view key) {
    return key == "ts" || key == "level" || key == "event" || key == "message";
}

void append_json_value(std::string& out, const Field& field) {
    if (const auto* text = std::get_if<std::string>(&field.value)) {
        append_json_string(out, *text);
    } else if (const auto* number = std::get_if<double>(&field.value); number && !std::isfinite(*number)) {
        out += "null";
    } else {
        out += value_text(field);
    }
}

}  // namespace

std::string rfc3339(std::chrono::system_clock::time_point time) {
    using namespace std::chrono;
    // By <chrono>'s calendar, not by gmtime and strftime: with one event per job this is a hot path.
    const auto micros = floor<microseconds>(time);
    const auto day = floor<days>(micros);
    const year_month_day date{day};
    const hh_mm_ss<microseconds> clock{micros - day};
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                       clock.subseconds().count());
}

std::string value_text(const Field& field) {
    return std::visit([](const auto& value) { return fmt::format("{}", value); }, field.value);
}

void append_json_line(std::string& out, const Stamped& stamped) {
    const Event& event = stamped.event;
    fmt::format_to(std::back_inserter(out), R"({{"ts":"{}","level":"{}","event":)", rfc3339(stamped.time),
                   to_string(event.level));
    append_json_string(out, event.name);
    out += R"(,"message":)";
    append_json_string(out, event.message);
    for (const Field& field : event.fields) {
        out += ',';
        append_json_string(out, reserved(field.key) ? std::string(field.key) + "_" : std::string(field.key));
        out += ':';
        append_json_value(out, field);
    }
    out += "}\n";
}

void append_text_line(std::string& out, const Stamped& stamped) {
    const Event& event = stamped.event;
    fmt::format_to(std::back_inserter(out), "{} {:<7} ", rfc3339(stamped.time), to_string(event.level));
    append_plain(out, event.message);
    out += " event=";
    append_plain_value(out, event.name);
    for (const Field& field : event.fields) {
        out += ' ';
        append_plain(out, field.key);
        out += '=';
        append_plain_value(out, value_text(field));
    }
    out += '\n';
}

}  // namespace memoir::telemetry
