#pragma once
// URLs of HTTP servers, parsed by libcurl, so that what is checked here (is it loopback? does it hold a
// password?) is what the client later connects to. Thread safety: all functions.

#include <optional>
#include <string>
#include <string_view>

namespace memoir::http {

struct Url {
    std::string scheme;          // "http" or "https"
    std::string host;            // as written, lower case; an IPv6 address without its brackets
    int port = 0;                // the scheme's own where none is written
    std::string path;            // begins with "/"
    std::string query;           // without "?"; empty: none
    bool has_user_info = false;  // user or password before an "@": never shown anywhere

    // "host:port", "[::1]:port": what may stand in error texts.
    std::string authority() const;
};

// nullopt for anything but an absolute http:// or https:// URL with a host.
std::optional<Url> parse_url(const std::string& url);

// Whether requests to it stay on this machine: localhost, 127.0.0.0/8, ::1. False for a URL that does not
// parse.
bool is_loopback(const Url& url);
bool is_loopback(const std::string& url);

// A server's base URL and a path on it with exactly one slash between them; a query of the base stays at the
// end ("https://host/v1?api-version=2" and "/models" → "https://host/v1/models?api-version=2").
std::string join(const std::string& base, std::string_view path);
// The same, but a base that ends in the path already is taken as it is (its query, too).
std::string join_once(const std::string& base, std::string_view path);

}  // namespace memoir::http
