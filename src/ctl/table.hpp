#pragma once
// Text for people: aligned columns, ages, counts. What comes from the database is made safe for a terminal.
// Thread safety: values and pure functions.

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memoir::ctl {

class Table {
  public:
    enum class Align { left, right };
    struct Column {
        std::string_view title;
        Align align = Align::left;
    };
    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
    void add(std::vector<std::string> cells);  // as many as columns
    bool empty() const { return rows_.empty(); }
    // Two spaces between columns, none at the end of a line.
    friend std::ostream& operator<<(std::ostream& out, const Table& table);

  private:
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

// "3 s", "12 min", "5 h", "2 d": two digits are enough to act on. Negative ages are "0 s".
std::string age(double seconds);
std::string age(const std::optional<double>& seconds);  // none: "-"
// "10000+" where the count was cut at a cap.
std::string count(std::int64_t value, bool capped = false);
// No control character and no line break reaches the terminal.
std::string printable(std::string_view text);
// A URL without user-info and query, which may hold secrets.
std::string shown_url(std::string_view url);

}  // namespace memoir::ctl
