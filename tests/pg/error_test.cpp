#include "pg/error.hpp"

#include <catch2/catch.hpp>

#include "pg/diagnose.hpp"
#include "support/postgres.hpp"

using namespace memoir;
using pg::ErrorClass;

TEST_CASE("classifies SQLSTATEs by the table") {
    struct Row {
        const char* sqlstate;
        ErrorClass expected;
    };
    const Row rows[] = {
        {"08000", ErrorClass::connection},
        {"08006", ErrorClass::connection},
        {"08P01", ErrorClass::connection},
        {"57P01", ErrorClass::connection},
        {"57P02", ErrorClass::connection},
        {"57P04", ErrorClass::connection},
        {"57P05", ErrorClass::connection},
        {"25P03", ErrorClass::connection},
        {"40003", ErrorClass::connection},
        {"57P03", ErrorClass::resources},
        {"53100", ErrorClass::resources},
        {"53200", ErrorClass::resources},
        {"53300", ErrorClass::resources},
        {"55000", ErrorClass::resources},
        {"55006", ErrorClass::resources},
        {"58030", ErrorClass::resources},
        {"40001", ErrorClass::transaction},
        {"40P01", ErrorClass::transaction},
        {"40000", ErrorClass::transaction},
        {"55P03", ErrorClass::transaction},
        {"57014", ErrorClass::cancelled},
        {"22001", ErrorClass::data},
        {"22P02", ErrorClass::data},
        {"22021", ErrorClass::data},
        {"23505", ErrorClass::data},
        {"23503", ErrorClass::data},
        {"40002", ErrorClass::data},
        {"42501", ErrorClass::permission},
        {"28000", ErrorClass::permission},
        {"28P01", ErrorClass::permission},
        {"42P01", ErrorClass::schema},
        {"42703", ErrorClass::schema},
        {"42883", ErrorClass::schema},
        {"42804", ErrorClass::schema},
        {"3F000", ErrorClass::schema},
        {"3D000", ErrorClass::schema},
        {"25006", ErrorClass::read_only},
        {"42601", ErrorClass::other},
        {"25P02", ErrorClass::other},
        {"0A000", ErrorClass::other},
        {"P0001", ErrorClass::other},
        {"XX000", ErrorClass::other},
        {"", ErrorClass::other},
        {"2350", ErrorClass::other},
        {"235055", ErrorClass::other},
    };
    for (const auto& row : rows) {
        INFO(row.sqlstate);
        CHECK(pg::to_string(pg::classify(row.sqlstate)) == pg::to_string(row.expected));
    }
}

TEST_CASE("reads why a connect failed without repeating it") {
    struct Row {
        const char* message;
        ErrorClass expected;
        const char* text;
    };
    const Row rows[] = {
        {"connection to server at \"h\" (::1), port 5432 failed: FATAL:  28P01\n", ErrorClass::permission,
         "connect: 28P01 (invalid_password)"},
        {"connection to server at \"h\", port 1 failed: FATAL:  28P01\n"
         "connection to server at \"h\", port 2 failed: FATAL:  57P03\n",
         ErrorClass::resources, "connect: 57P03 (cannot_connect_now)"},
        {"connection to server at \"h\" (127.0.0.1), port 1 failed: Connection refused\n\tIs the server "
         "running "
         "on that host and accepting TCP/IP connections?\n",
         ErrorClass::connection, "connect: refused"},
        {"connection to server on socket \"/s\" failed: No such file or directory\n", ErrorClass::connection,
         "connect: refused: no such socket"},
        {"failed: server does not support SSL, but SSL was required\n", ErrorClass::permission,
         "connect: the server offers no TLS, which sslmode asks for"},
        {"SSL error: certificate verify failed\n", ErrorClass::permission,
         "connect: the server's certificate is not signed by a CA in sslrootcert"},
        {"server certificate for \"a\" does not match host name \"b\"\n", ErrorClass::permission,
         "connect: the server's certificate is for another host name"},
        {"root certificate file \"/x\" does not exist\n", ErrorClass::permission,
         "connect: sslrootcert cannot be read"},
        {"invalid sslmode value: \"secret\"\n", ErrorClass::other,
         "connect: an option of the connection string is invalid"},
        {"something new\n", ErrorClass::connection, "connect: failed (message of 14 bytes)"},
        {"", ErrorClass::connection, "connect: failed (message of 0 bytes)"},
    };
    for (const auto& row : rows) {
        INFO(row.message);
        const auto error = pg::diagnose_connect(row.message);
        CHECK(pg::to_string(error.error_class()) == pg::to_string(row.expected));
        CHECK(std::string(error.what()) == row.text);
    }
}

namespace {

pg::Error error_of(pg::Connection& connection, const std::string& sql, const pg::Params& params = {}) {
    try {
        connection.exec(sql, params);
    } catch (const pg::Error& error) {
        return error;
    }
    FAIL("no error");
    throw;
}

}  // namespace

TEST_CASE("names constraint, table and column, and repeats nothing of the data") {
    auto connection = pg::Connection::connect({.conninfo = test::Cluster::shared().url()});
    connection->exec(
        "create temp table diary (entry text constraint diary_entry_key unique, mood int not null)");
    const std::string secret = "i-told-nobody";
    connection->exec("insert into diary values ($1, 1)", pg::Params().add(secret));

    const auto unique = error_of(*connection, "insert into diary values ($1, 1)", pg::Params().add(secret));
    CHECK(std::string(unique.what()) == "23505 (unique_violation) on diary_entry_key");
    CHECK(unique.sqlstate() == "23505");
    CHECK(unique.error_class() == ErrorClass::data);

    const auto null = error_of(*connection, "insert into diary values ($1, null)", pg::Params().add(secret));
    CHECK(std::string(null.what()) == "23502 (not_null_violation) on diary.mood");

    const auto number = error_of(*connection, "select $1::int", pg::Params().add(secret));
    CHECK(std::string(number.what()).starts_with("22P02"));
    CHECK(std::string(number.what()).find(secret) == std::string::npos);

    // A function may put anything into any field of its error.
    connection->exec(
        "create function pg_temp.tell(t text) returns void language plpgsql as $$ begin "
        "raise exception '%', t using detail = t, hint = t, column = t, constraint = t, table = t; end $$");
    const auto raised =
        error_of(*connection, "select pg_temp.tell($1)", pg::Params().add("schöne Worte, lang " + secret));
    CHECK(std::string(raised.what()) == "P0001");

    CHECK(std::string(error_of(*connection, "select nothing_like_it").what()) ==
          "42703 (undefined_column) at position 8");
    CHECK(error_of(*connection, "select 1 from no_such_table").error_class() == ErrorClass::schema);
}

TEST_CASE("never shows the password or anything of the connection string") {
    const std::string password = "pa55word";
    for (const auto& conninfo :
         {"postgresql://u:" + password + "@127.0.0.1:1/x", "postgresql://u:" + password + "@@host:port/x",
          "password=" + password + " bogus_key=1", "password='" + password,
          "host=127.0.0.1,127.0.0.2 port=1,2,3 password=" + password,
          "host=127.0.0.1 port=1 sslmode=" + password, "service=" + password,
          "postgresql://u@" + password + ".invalid/x"}) {
        INFO(conninfo);
        try {
            pg::Connection::connect({.conninfo = conninfo, .connect_timeout = Milliseconds(3'000)});
            FAIL("connected");
        } catch (const pg::Error& error) {
            CHECK(std::string(error.what()).find(password) == std::string::npos);
            CHECK(std::string(error.what()).size() > 10);
        }
    }
}
