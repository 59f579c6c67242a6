#include "http/url.hpp"

#include <catch2/catch.hpp>
#include <random>

using namespace memoir;

TEST_CASE("takes a URL apart") {
    struct Row {
        std::string url, authority, path, query;
        bool user_info;
    };
    const std::vector<Row> table{
        {"http://localhost", "localhost:80", "/", "", false},
        {"https://API.example.com/v1", "api.example.com:443", "/v1", "", false},
        {"http://localhost:6333/a/b?c=d", "localhost:6333", "/a/b", "c=d", false},
        {"http://[::1]:11434/", "[::1]:11434", "/", "", false},
        {"https://user:password@host/x", "host:443", "/x", "", true},
        {"https://user@host/x", "host:443", "/x", "", true},
        {"https://:password@host/x", "host:443", "/x", "", true},
        {"HTTP://host/", "host:80", "/", "", false},
    };
    for (const auto& row : table) {
        CAPTURE(row.url);
        const auto url = http::parse_url(row.url);
        REQUIRE(url);
        CHECK(url->authority() == row.authority);
        CHECK(url->path == row.path);
        CHECK(url->query == row.query);
        CHECK(url->has_user_info == row.user_info);
    }
}

TEST_CASE("what is no absolute http or https URL is refused") {
    const std::vector<std::string> table{
        "",
        "localhost",
        "localhost:6333",
        "//host/",
        "/path",
        "http:",
        "http://",
        "http:///",
        "ftp://host/",
        "redis://localhost:6379",
        "file:///",
        "http://host:0/",
        "http://host:99999/",
        "http://host:x/",
        "http://ho st/",
        "http://[",
        "http://[::1/",
        "http://host\n.evil/",
        "javascript:alert",
        std::string("http://a\0b", 10),
    };
    for (const auto& url : table) {
        CAPTURE(url);
        CHECK_FALSE(http::parse_url(url));
        CHECK_FALSE(http::is_loopback(url));
    }
}

TEST_CASE("only what stays on this machine is loopback") {
    for (const std::string url :
         {"http://localhost", "http://LOCALHOST:1/x", "http://127.0.0.1:1", "http://127.9.9.9/",
          "https://[::1]/", "http://user@127.0.0.1/", "http://[0:0:0:0:0:0:0:1]/"}) {
        CAPTURE(url);
        CHECK(http::is_loopback(url));
    }
    for (const std::string url :
         {"http://localhost.example.com", "http://127.0.0.1.example.com", "http://128.0.0.1",
          "http://0.0.0.0", "http://[::2]", "http://[::]", "http://127.0.0.1@example.com/",
          "http://example.com/127.0.0.1", "http://example.com#@127.0.0.1/", "http://example.com?@localhost/",
          "http://10.0.0.1", "http://localhost@example.com:80/"}) {
        CAPTURE(url);
        CHECK_FALSE(http::is_loopback(url));
    }
}

TEST_CASE("joins a base and a path with one slash, a query stays at the end") {
    CHECK(http::join("http://h", "/api/embed") == "http://h/api/embed");
    CHECK(http::join("http://h/", "api/embed") == "http://h/api/embed");
    CHECK(http::join("http://h/v1//", "/models") == "http://h/v1/models");
    CHECK(http::join("http://h/v1?api-version=2", "/models") == "http://h/v1/models?api-version=2");
    CHECK(http::join("http://h", "") == "http://h/");
}

TEST_CASE("any bytes are taken apart or refused, and never shown with a password") {
    std::mt19937 random(20261124);
    const std::string alphabet =
        "htps:/@#?[].%\\ \t\n\x80\xff"
        "127localhost0";
    for (int i = 0; i < 20'000; ++i) {
        std::string url = i % 2 ? "http://u:sesame@" : "";
        for (auto length = random() % 24; length > 0; --length) url += alphabet[random() % alphabet.size()];
        const auto parsed = http::parse_url(url);
        if (!parsed) continue;
        CAPTURE(url);
        CHECK(parsed->authority().find("sesame") == std::string::npos);
        CHECK_FALSE(parsed->host.empty());
    }
}

TEST_CASE("a base that ends in the path already is taken as it is, with its query") {
    CHECK(http::join_once("http://h/v1", "/chat/completions") == "http://h/v1/chat/completions");
    CHECK(http::join_once("http://h/v1/chat/completions", "/chat/completions") ==
          "http://h/v1/chat/completions");
    CHECK(http::join_once("https://h/d/m/chat/completions?api-version=2", "/chat/completions") ==
          "https://h/d/m/chat/completions?api-version=2");
    CHECK(http::join_once("https://h/d/m?api-version=2", "/chat/completions") ==
          "https://h/d/m/chat/completions?api-version=2");
}
