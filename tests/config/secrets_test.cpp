#include <unistd.h>

#include <catch2/catch.hpp>

#include "config/loading.hpp"

using memoir::test::all;
using memoir::test::ConfigFolder;
using memoir::test::everything_shown;

TEST_CASE("reads a secret from a file, without the end of its line") {
    const ConfigFolder folder;
    for (const char* content : {"sk-hunter2", "sk-hunter2\n", "sk-hunter2\r\n", "sk-hunter2\n\n"}) {
        const auto loaded = folder.load("[extraction]\nurl = \"https://host\"\napi_key_file = \"" +
                                        folder.write("key", content) + "\"\n");
        INFO(all(loaded.problems));
        REQUIRE(loaded.problems.empty());
        CHECK(loaded.warnings.empty());
        CHECK(loaded.config.extraction->api_key.reveal() == "sk-hunter2");
        CHECK_THAT(everything_shown(loaded), !Catch::Contains("hunter2"));
        CHECK_THAT(folder.relative(loaded.printed),
                   Catch::Contains("api_key_file = \"key\"") && Catch::Contains("# api_key = \"(hidden)\""));
    }
}

TEST_CASE("reads a secret from a credential of systemd") {
    ConfigFolder folder;
    folder.write("database-url", "postgresql://u:hunter2@db1:6432/memoir\n");
    folder.environment["CREDENTIALS_DIRECTORY"] = folder.path(".");
    const std::string content = "[database]\nurl_credential = \"database-url\"\n";
    const auto loaded = folder.load(content);
    INFO(all(loaded.problems));
    REQUIRE(loaded.problems.empty());
    CHECK(loaded.config.database.url.reveal() == "postgresql://u:hunter2@db1:6432/memoir");
    CHECK_THAT(loaded.printed, Catch::Contains("url_credential = \"database-url\"") &&
                                   Catch::Contains("# url = \"postgresql://(hidden)@db1:6432/memoir\""));
    CHECK_THAT(everything_shown(loaded), !Catch::Contains("hunter2"));

    folder.environment.clear();
    folder.credentials_directory = folder.path(".");  // memoirctl beside the running service
    CHECK(folder.load(content).problems.empty());
    const auto missing = folder.load("[vector]\napi_key_credential = \"qdrant\"\n");
    REQUIRE(missing.problems.size() == 1);
    CHECK_THAT(missing.problems[0].to_string(),
               Catch::Contains("does not exist") && Catch::Contains("LoadCredential=NAME:/path"));
}

TEST_CASE("what is wrong with a secret's file is said without its content") {
    ConfigFolder folder;
    struct Case {
        const char *content, *text;
    };
    for (const Case& one :
         {Case{"", "is empty"}, Case{"\n", "is empty"}, Case{"hunter2\nmore", "more than one line"}}) {
        const std::string path = folder.write("key", one.content);
        const auto loaded = folder.load("[graph]\npassword_file = \"" + path + "\"\n");
        INFO(all(loaded.problems));
        REQUIRE(loaded.problems.size() == 1);
        CHECK(folder.relative(loaded.problems[0].where) == "memoird.toml:2:17");
        CHECK_THAT(loaded.problems[0].text, Catch::Contains(path) && Catch::Contains(one.text));
        CHECK_FALSE(loaded.problems[0].hint.empty());
        CHECK_THAT(everything_shown(loaded), !Catch::Contains("hunter2"));
    }
    if (geteuid() == 0) return;  // root may read everything
    const auto loaded =
        folder.load("[graph]\npassword_file = \"" + folder.write("key", "hunter2", 0) + "\"\n");
    REQUIRE(loaded.problems.size() == 1);
    CHECK_THAT(loaded.problems[0].text, Catch::Contains("Permission denied"));
}

TEST_CASE("warns of a key that everybody can read") {
    const ConfigFolder folder;
    const auto loaded =
        folder.load("[graph]\npassword_file = \"" + folder.write("key", "hunter2", 0644) + "\"\n");
    CHECK(loaded.problems.empty());
    REQUIRE(loaded.warnings.size() == 1);
    CHECK_THAT(loaded.warnings[0].to_string(), Catch::Contains("every user") && Catch::Contains("chmod o-r"));
}

TEST_CASE("a higher level replaces a secret whatever its source") {
    ConfigFolder folder;
    const std::string file = "[database]\nurl_file = \"/nowhere\"\n";
    CHECK(folder.load(file).problems.size() == 1);
    folder.environment["MEMOIRD_DATABASE_URL"] = "dbname=from_environment";
    auto loaded = folder.load(file);
    INFO(all(loaded.problems));
    CHECK(loaded.problems.empty());
    CHECK(loaded.config.database.url.reveal() == "dbname=from_environment");
    folder.sets = {"database.url_file=" + folder.write("url", "dbname=from_flag")};
    CHECK(folder.load(file).config.database.url.reveal() == "dbname=from_flag");
}

TEST_CASE("two sources of a secret on one level contradict each other") {
    ConfigFolder folder;
    const std::string key = folder.write("key", "hunter2");
    folder.environment = {{"MEMOIRD_GRAPH_PASSWORD_FILE", key}, {"MEMOIRD_GRAPH_PASSWORD_CREDENTIAL", "key"}};
    folder.credentials_directory = folder.path(".");
    const auto loaded = folder.load("");
    REQUIRE(loaded.problems.size() == 1);
    CHECK_THAT(loaded.problems[0].text, Catch::Contains("graph.password_file") &&
                                            Catch::Contains("graph.password_credential") &&
                                            Catch::Contains("same secret"));
}

TEST_CASE("a key in the file is refused although a variable overrides it") {
    ConfigFolder folder;
    folder.environment["MEMOIRD_VECTOR_API_KEY_FILE"] = folder.write("key", "x");
    const auto loaded = folder.load("[vector]\napi_key = \"hunter2\"\n");
    REQUIRE(loaded.problems.size() == 1);
    CHECK_THAT(loaded.problems[0].text, Catch::Contains("must not be in the configuration"));
    CHECK_THAT(everything_shown(loaded), !Catch::Contains("hunter2"));
}

TEST_CASE("a key is never sent over http:// beyond loopback") {
    const ConfigFolder folder;
    const std::string key = "api_key_file = \"" + folder.write("key", "hunter2") + "\"\n";
    const char* const sections[]{"[embedding]\nprovider = \"tei\"\n", "[vector]\n", "[extraction]\n",
                                 "[relational]\n"};
    for (const std::string section : sections) {
        for (const char* url : {"http://192.0.2.1:8080", "http://example.org", "http://localhost.example.org",
                                "http://127.0.0.1.example.org", "HTTP://example.org"}) {
            const auto loaded = folder.load(section + key + "url = \"" + url + "\"\n");
            INFO(section << url << "\n" << all(loaded.problems));
            REQUIRE(loaded.problems.size() == 1);
            CHECK_THAT(loaded.problems[0].text, Catch::Contains("over http:// beyond loopback"));
            CHECK_THAT(loaded.problems[0].hint, Catch::Contains("https://"));
            CHECK_THAT(loaded.problems[0].where, Catch::Contains(":"));
            CHECK(folder.load(section + "url = \"" + url + "\"\n").problems.empty());
        }
        for (const char* url :
             {"https://example.org", "http://localhost:1", "http://127.0.0.1", "http://[::1]:8080"}) {
            const auto loaded = folder.load(section + key + "url = \"" + url + "\"\n");
            INFO(section << url << "\n" << all(loaded.problems));
            CHECK(loaded.problems.empty());
        }
    }
}

TEST_CASE("memoirctl goes on without the keys that its user may not read") {
    ConfigFolder folder;
    folder.lenient = true;
    const auto loaded = folder.load(
        "[vector]\napi_key_file = \"/nowhere/key\"\n[extraction]\napi_key_credential = \"llm\"\n"
        "ca_file = \"/nowhere/ca.pem\"\n");
    INFO(all(loaded.problems));
    CHECK(loaded.problems.empty());
    CHECK(loaded.warnings.size() == 3);
    CHECK(folder.load("[database]\nurl_file = \"/nowhere/url\"\n").problems.size() == 1);
    CHECK(folder.load("[vector]\napi_key = \"x\"\n").problems.size() == 1);
}

TEST_CASE("shows a connection with host and database, and hides who connects and how") {
    struct Case {
        const char *url, *shown;
    };
    const Case cases[]{
        {"postgresql:///memoir", "postgresql:///memoir"},
        {"host=db1 dbname=memoir sslmode=verify-full", "host=db1 dbname=memoir sslmode=verify-full"},
        {"postgresql://ann:hunter2@db1:6432/memoir", "postgresql://(hidden)@db1:6432/memoir"},
        {"postgres://ann:hunter2@[2001:db8::1]:6432/memoir",
         "postgresql://(hidden)@[2001:db8::1]:6432/memoir"},
        {"postgresql://:hunter2@db1/memoir?sslmode=require",
         "postgresql://(hidden)@db1/memoir?sslmode=require"},
        {"postgresql://db1/memoir?password=hunter2", "postgresql://(hidden)@db1/memoir"},
        {"postgresql://db1/memoir?pass%77ord=hunter2", "postgresql://(hidden)@db1/memoir"},
        {"postgresql://db1/memoir?sslpassword=hunter2",
         "postgresql://(hidden)@db1/memoir?sslpassword=(hidden)"},
        {"postgresql://u:hunter2@db1:1,db2:2/memoir", "postgresql://(hidden)@/memoir?host=db1,db2&port=1,2"},
        {"postgresql://u:hunter2@%2Frun%2Fpg/memoir", "postgresql://(hidden)@/memoir?host=/run/pg"},
        {"postgresql://u:hunter2?@db1/memoir", "postgresql://(hidden)@db1/memoir"},
        {"postgresql://u:p@hunter2@db1/memoir", "postgresql://(hidden)@(hidden)/memoir"},
        {"host=db1 dbname=memoir user=ann password='hunter2 x'",
         "user=(hidden) password=(hidden) dbname=memoir host=db1"},
    };
    for (const Case& one : cases) {
        const ConfigFolder folder;
        const auto loaded = folder.load("[database]\nurl = \"" + std::string(one.url) + "\"\n");
        INFO(one.url << "\n" << all(loaded.problems) << loaded.printed);
        REQUIRE(loaded.problems.empty());
        CHECK(loaded.config.database.url.reveal() == one.url);
        CHECK_THAT(loaded.printed, Catch::Contains("\nurl = \"" + std::string(one.shown) + "\" "));
        CHECK_THAT(everything_shown(loaded), !Catch::Contains("hunter2") && !Catch::Contains("ann"));
        // Still a configuration that loads.
        CHECK(folder.load(loaded.printed, "printed.toml").problems.empty());
    }
}

TEST_CASE("a password in a broken connection string stays hidden") {
    for (const char* url : {"postgresql://u:hunter2@db1:x/memoir", "password=hunter2 dbname",
                            "postgresql://u:hunter2@[::1/memoir", "hunter2"}) {
        ConfigFolder folder;
        const auto in_file = folder.load("[database]\nurl = \"" + std::string(url) + "\"\n");
        INFO(url << "\n" << everything_shown(in_file));
        REQUIRE(in_file.problems.size() == 1);
        CHECK_THAT(everything_shown(in_file), !Catch::Contains("hunter2") && !Catch::Contains("ter2"));
        folder.environment["MEMOIRD_DATABASE_LISTEN_URL"] = url;
        folder.sets = {"database.url=" + std::string(url)};
        const auto elsewhere = folder.load("");
        REQUIRE(elsewhere.problems.size() == 2);
        CHECK_THAT(everything_shown(elsewhere), !Catch::Contains("hunter2") && !Catch::Contains("ter2"));
    }
}

TEST_CASE("a secret without quotes is not quoted back by the syntax error") {
    for (const char* line :
         {"url = hunter2", "url = thunter2", "url = 0xhunter2", "url = \"hunter2", "url = 1hunter2",
          "\"hunter2", "url \"hunter2\"", "url = \"\\hunter2\"", "hunter2", "[hunter2", "url = '''hunter2",
          "url = \"a\" hunter2", "url = ihunter2", "url = 2024-hunter2"}) {
        const ConfigFolder folder;
        const auto loaded = folder.load("[database]\n" + std::string(line) + "\n");
        INFO(line << "\n" << all(loaded.problems));
        REQUIRE(loaded.problems.size() == 1);
        CHECK_THAT(all(loaded.problems), !Catch::Contains("hunter2"));
        const auto json = folder.load("{\"database\": {\"url\": " + std::string(line) + "}}", "memoird.json");
        REQUIRE(json.problems.size() == 1);
        CHECK_THAT(all(json.problems), !Catch::Contains("hunter2"));
    }
}
