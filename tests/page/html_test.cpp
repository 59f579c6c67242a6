#include "page/html.hpp"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using memoir::page::escape;
using memoir::page::grouped;
using memoir::page::time_element;
using memoir::page::words;

TEST_CASE("text ends as text, whatever it is") {
    CHECK(escape("<script>alert(\"1\" + '&')</script>") ==
          "&lt;script&gt;alert(&quot;1&quot; + &#39;&amp;&#39;)&lt;/script&gt;");
    CHECK(escape("größe 漢字 🙂") == "größe 漢字 🙂");
    // Nothing that ends a line, reverses it, or is no UTF-8.
    CHECK(escape("a\nb\r\x1b[31m\x7f") == "a\\nb\\r\\u{1b}[31m\\u{7f}");
    CHECK(escape("abc\u202egpj") == "abc\\u{202e}gpj");
    CHECK(escape("\xff<\xc3") == "\\xff&lt;\\xc3");
    CHECK(escape(std::string_view("a\0b", 3)).find('\0') == std::string::npos);
}

TEST_CASE("long text is cut between characters") {
    CHECK(escape("abcdef", 4) == "abcd…");
    CHECK(escape("abcd", 4) == "abcd");
    CHECK(escape("abcä", 4) == "abc…");
    CHECK(escape("ab🙂c", 5) == "ab…");
    CHECK(escape("<<<", 2) == "&lt;&lt;…");
}

TEST_CASE("numbers are grouped") {
    CHECK(grouped(0) == "0");
    CHECK(grouped(999) == "999");
    CHECK(grouped(1'000) == "1,000");
    CHECK(grouped(123'456) == "123,456");
    CHECK(grouped(1'234'567) == "1,234,567");
    CHECK(grouped(-1'234) == "-1,234");
    CHECK(grouped(-123) == "-123");
}

TEST_CASE("durations are words of at most two units") {
    CHECK(words(-5ms) == "0 ms");
    CHECK(words(850ms) == "850 ms");
    CHECK(words(1'999ms) == "1 s");
    CHECK(words(60s) == "1 min");
    CHECK(words(200s) == "3 min 20 s");
    CHECK(words(2h + 5min + 59s) == "2 h 5 min");
    CHECK(words(76h) == "3 d 4 h");
}

TEST_CASE("a time has its date when it is of another day") {
    const std::chrono::system_clock::time_point noon{std::chrono::seconds(1'769'860'800)};
    CHECK(time_element(noon, noon + 1h) ==
          "<time datetime=\"2026-01-31T12:00:00.000000Z\" title=\"2026-01-31 12:00:00 UTC\">12:00:00</time>");
    CHECK(time_element(noon, noon + 24h).ends_with(">2026-01-31 12:00:00</time>"));
}
