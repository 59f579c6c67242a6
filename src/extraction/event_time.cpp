#include "extraction/event_time.hpp"

#include <chrono>
#include <cstdio>

namespace memoir::extraction {

namespace {

using namespace std::chrono;

// Reads fixed forms from the front of a text; every take_ moves on only when it succeeds.
class Reader {
  public:
    explicit Reader(std::string_view text) : text_(text) {}

    bool done() const { return text_.empty(); }

    bool take(std::string_view one_of) {
        if (text_.empty() || one_of.find(text_.front()) == std::string_view::npos) return false;
        text_.remove_prefix(1);
        return true;
    }

    bool take_digits(int count, int& value) {
        value = 0;
        for (int i = 0; i < count; ++i) {
            if (text_.empty() || text_.front() < '0' || text_.front() > '9') return false;
            value = value * 10 + (text_.front() - '0');
            text_.remove_prefix(1);
        }
        return true;
    }

    // Any number of digits; those after the sixth are cut.
    bool take_fraction(microseconds& value) {
        int digits = 0;
        long micros = 0;
        for (; !text_.empty() && text_.front() >= '0' && text_.front() <= '9'; text_.remove_prefix(1))
            if (digits++ < 6) micros = micros * 10 + (text_.front() - '0');
        for (int i = digits; i < 6; ++i) micros *= 10;
        value = microseconds(micros);
        return digits > 0;
    }

    bool take_offset(minutes& offset) {
        if (take("Zz")) return offset = minutes(0), true;
        const bool west = !text_.empty() && text_.front() == '-';
        int h = 0, m = 0;
        if (!take("+-") || !take_digits(2, h) || !take(":") || !take_digits(2, m) || h > 23 || m > 59)
            return false;
        offset = minutes((h * 60 + m) * (west ? -1 : 1));
        return true;
    }

  private:
    std::string_view text_;
};

std::string_view trim(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    const auto first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

bool read_date(Reader& reader, sys_days& date) {
    int y = 0, m = 0, d = 0;
    if (!reader.take_digits(4, y) || !reader.take("-") || !reader.take_digits(2, m) || !reader.take("-") ||
        !reader.take_digits(2, d))
        return false;
    const auto ymd = year(y) / month(static_cast<unsigned>(m)) / day(static_cast<unsigned>(d));
    date = ymd;
    return ymd.ok();
}

// Second 60 is a leap second; like Postgres we let it be the first of the next minute.
bool read_time(Reader& reader, microseconds& time) {
    int h = 0, m = 0, s = 0;
    if (!reader.take("Tt ") || !reader.take_digits(2, h) || !reader.take(":") || !reader.take_digits(2, m) ||
        !reader.take(":") || !reader.take_digits(2, s) || h > 23 || m > 59 || s > 60)
        return false;
    microseconds fraction{0};
    if (reader.take(".") && !reader.take_fraction(fraction)) return false;
    minutes offset{0};
    if (!reader.take_offset(offset)) return false;
    time = hours(h) + minutes(m) + seconds(s) + fraction - offset;
    return true;
}

}  // namespace

std::optional<std::string> parse_event_time(std::string_view text) {
    Reader reader(trim(text));
    sys_days date;
    microseconds time{0};
    if (!read_date(reader, date)) return std::nullopt;
    if (!reader.done() && (!read_time(reader, time) || !reader.done())) return std::nullopt;

    const auto instant = sys_time<microseconds>(date) + time;
    const auto day_part = floor<days>(instant);
    const year_month_day ymd(day_part);
    const hh_mm_ss clock(instant - day_part);
    const int y = static_cast<int>(ymd.year());
    if (y < 1 || y > 9999) return std::nullopt;

    char out[40];
    std::snprintf(out, sizeof out, "%04d-%02u-%02uT%02d:%02d:%02d", y, static_cast<unsigned>(ymd.month()),
                  static_cast<unsigned>(ymd.day()), static_cast<int>(clock.hours().count()),
                  static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()));
    std::string result = out;
    if (const auto micros = clock.subseconds().count(); micros != 0) {
        std::snprintf(out, sizeof out, ".%06d", static_cast<int>(micros));
        result += out;
    }
    return result + 'Z';
}

}  // namespace memoir::extraction
