#include "pg/result.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "support/postgres.hpp"

using namespace memoir;
using pg::Params;

namespace {

pg::Connection& connection() {
    static const auto shared = pg::Connection::connect({.conninfo = test::Cluster::shared().url()});
    return *shared;
}

const std::vector<std::string> awkward = {
    "",
    " ",
    "plain",
    "with \"quotes\" and 'these'",
    "back\\slash\\",
    "{braces},commas",
    "NULL",
    "null",
    "line\nbreak\ttab",
    "grüße, 日本語, 🦊",
    "$1; drop table x",
    "\\N",
};

}  // namespace

TEST_CASE("every text comes back as it went") {
    for (const auto& text : awkward)
        CHECK(connection().exec("select $1::text", Params().add(text)).string(0, 0) == text);
}

TEST_CASE("every text comes back out of an array, NULL included") {
    std::vector<std::optional<std::string>> values(awkward.begin(), awkward.end());
    values.emplace_back(std::nullopt);
    const auto result = connection().exec(
        "select v from unnest($1::text[]) with ordinality u(v, n) order by n", Params().array(values));
    REQUIRE(result.rows() == static_cast<int>(values.size()));
    for (int row = 0; row < result.rows(); ++row)
        CHECK(result.optional(row, 0) == values[static_cast<std::size_t>(row)]);

    const auto plain = connection().exec("select count(*) from unnest($1::text[])", Params().array(awkward));
    CHECK(plain.integer(0, 0) == static_cast<std::int64_t>(awkward.size()));
    const std::vector<std::string> none;
    CHECK(connection().exec("select cardinality($1::text[])", Params().array(none)).integer(0, 0) == 0);
    const std::vector<std::string> documents = {R"({"a": "\"b\\"})", "[1, null]"};
    CHECK(connection().exec("select ($1::jsonb[])[1]->>'a'", Params().array(documents)).string(0, 0) ==
          "\"b\\");
}

TEST_CASE("numbers come back exactly") {
    const std::vector<std::int64_t> whole = {std::numeric_limits<std::int64_t>::min(), -1, 0, 1,
                                             std::numeric_limits<std::int64_t>::max()};
    const auto result = connection().exec("select unnest($1::bigint[])", Params().array(whole));
    for (std::size_t i = 0; i < whole.size(); ++i) CHECK(result.integer(static_cast<int>(i), 0) == whole[i]);

    const std::vector<float> reals = {
        0.1F, -1e-30F, 3.4e38F, 1.0F / 3.0F, std::numeric_limits<float>::infinity(), 0.0F};
    CHECK(connection().exec("select $1::real[]", Params().array(reals)).floats(0, 0) == reals);
    const std::vector<float> nan = {std::nanf("")};
    CHECK(std::isnan(connection().exec("select $1::real[]", Params().array(nan)).floats(0, 0).at(0)));
    CHECK(connection().exec("select '{}'::real[]").floats(0, 0).empty());

    CHECK(connection().exec("select $1::float8", Params().add(0.1)).real(0, 0) == 0.1);
    CHECK(connection().exec("select $1::bool", Params().add(true)).boolean(0, 0));
    CHECK_FALSE(connection().exec("select $1::bool", Params().add(false)).boolean(0, 0));
    CHECK(connection().exec("select $1::int", Params().null()).is_null(0, 0));
    CHECK(connection().exec("select $1::text", Params().add(std::optional<std::string>())).is_null(0, 0));
}

TEST_CASE("what is no number is an error, and its text does not show it") {
    const auto result = connection().exec("select 'i-told-nobody', ''");
    try {
        result.integer(0, 0);
        FAIL("no error");
    } catch (const pg::Error& error) {
        CHECK(std::string(error.what()) == "a column of integers holds something else");
    }
    CHECK_THROWS_AS(result.integer(0, 1), pg::Error);
    CHECK_THROWS_AS(result.floats(0, 0), pg::Error);
    CHECK_THROWS_AS(result.real(0, 0), pg::Error);
}

TEST_CASE("a zero byte is refused instead of cutting the text off") {
    using namespace std::string_literals;
    CHECK_THROWS_AS(Params().add("a\0b"s), pg::Error);
    const std::vector<std::string> list = {"a\0b"s};
    CHECK_THROWS_AS(Params().array(list), pg::Error);
}

TEST_CASE("counts affected rows") {
    connection().exec("create temp table counted (n int)");
    CHECK(connection().exec("insert into counted select generate_series(1, 5)").affected() == 5);
    CHECK(connection().exec("update counted set n = 0 where n > 3").affected() == 2);
    CHECK(connection().exec("delete from counted").affected() == 5);
    CHECK(connection().exec("set work_mem = '4MB'").affected() == 0);
    CHECK(pg::Result().rows() == 0);
}
