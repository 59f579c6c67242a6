#include "ctl/table.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <sstream>

using namespace memoir::ctl;

TEST_CASE("aligns columns by what is seen, not by bytes") {
    Table table({{"NAME"}, {"N", Table::Align::right}});
    table.add({"Zoé", "1"});
    table.add({"x", "10000"});
    std::ostringstream out;
    out << table;
    CHECK(out.str() == "NAME      N\nZoé       1\nx     10000\n");
}

TEST_CASE("lets no control character of a name or reason reach the terminal") {
    Table table({{"REASON"}});
    table.add({"a\nb\x1b[31mred\x7f"});
    std::ostringstream out;
    out << table;
    const auto text = out.str();
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(std::count(text.begin(), text.end(), '\n') == 2);
    CHECK(printable("tab\there") == "tab\\there");
}

TEST_CASE("writes ages with the two digits one acts on") {
    CHECK(age(-3.0) == "0 s");
    CHECK(age(119.9) == "119 s");
    CHECK(age(120.0) == "2 min");
    CHECK(age(7'199.0) == "119 min");
    CHECK(age(7'200.0) == "2 h");
    CHECK(age(200'000.0) == "2 d");
    CHECK(age(std::optional<double>()) == "-");
    CHECK(count(10'000, true) == "10000+");
}

TEST_CASE("shows a URL without user-info and query") {
    CHECK(shown_url("http://me:s3cret@qdrant:6333/a?api-key=k#f") == "http://qdrant:6333/a");
    CHECK(shown_url("http://qdrant:6333") == "http://qdrant:6333");
    CHECK(shown_url("redis://:pa/ss@host") == "redis://:pa/ss@host");  // no URL: a `/` ends the authority
    CHECK(shown_url("me:s3cret@host") == "host");
}
