#pragma once
// HTML put together from constants and from text that may be anything: model names, hosts, servers' reasons.
// All of it ends as text: no tag, no attribute, no character that reverses or hides what follows.
// Thread safety: functions.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace memoir::page {

// Text for an element or a quoted attribute. What is longer than `longest` bytes is cut, with an ellipsis.
std::string escape(std::string_view text, std::size_t longest = 600);

class Html {
  public:
    // A constant of ours, as it is.
    Html& raw(std::string_view markup) {
        out_ += markup;
        return *this;
    }
    Html& text(std::string_view text) {
        out_ += escape(text);
        return *this;
    }
    // <p class="css">text</p>; `css` is a constant of ours, empty: none.
    Html& element(std::string_view tag, std::string_view css, std::string_view text);
    std::string take() { return std::move(out_); }

  private:
    std::string out_;
};

// "1,234,567"
std::string grouped(std::int64_t number);
// "850 ms", "12 s", "3 min 20 s", "2 h 5 min", "3 d 4 h"
std::string words(Milliseconds duration);
// <time>, as "03:12:45" of the day of `now`, with its date on any other day.
std::string time_element(std::chrono::system_clock::time_point time,
                         std::chrono::system_clock::time_point now);

}  // namespace memoir::page
