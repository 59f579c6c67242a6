#pragma once
// HTTP/1.1 client over libcurl: blocking calls with deadlines, cancelled at once by a stop token (multi
// interface with a wake-up; CURLOPT_QUICK_EXIT so that a hanging resolver does not hold a cancel).
// Keep-alive: a finished call leaves its connection to the next call for the same scheme, host and port; as
// many are open as calls ran at once. When the server closes a kept connection before the first byte of an
// answer, it is replaced and the request sent once more (libcurl's rule). Redirects are not followed. Proxies
// are taken from the usual variables, but never for loopback. A secret (secret header, user-info of the URL)
// is never sent over http:// beyond loopback. Thread safety: Client::send from any number of threads.

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/secret.hpp"

namespace memoir::http {

struct Request {
    std::string method = "POST";
    std::string url;
    std::vector<std::pair<std::string, std::string>> headers;  // Content-Type is the caller's
    // A header whose value is secret: "Authorization" + "Bearer …". Never logged. Empty name: none.
    std::string secret_header;
    Secret secret_value;
    std::string body;
    std::string ca_file;                        // empty: the system's
    Milliseconds connect_timeout{5'000};        // resolution, TCP and TLS
    Milliseconds timeout{30'000};               // the whole call
    Milliseconds silence_timeout{0};            // without a byte after the headers; 0: no limit
    std::size_t max_response_bytes = 64 << 20;  // of the decoded body
};

struct Response {
    int status = 0;
    std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
    std::string body;
    // First header of that (lower-case) name; empty when absent.
    const std::string& header(const std::string& name) const;
};

enum class TransportError {
    resolve,
    refused,
    tls,
    connect_timeout,  // nothing was sent: outages
    timeout,
    silence,
    reset,
    cut,  // something was sent: ambiguous
    too_large,
    redirect,
    not_http,  // not_http: e.g. a gRPC port answered with HTTP/2 frames
    invalid,   // never tried: not an http(s) URL, a line break in a header, a secret over http:// beyond
               // loopback
    cancelled,
    other,
};
std::string_view to_string(TransportError error);

class TransportFailure : public std::exception {
  public:
    // `setting`: the key of the section that may mend it ("ca_file"); empty: none is known.
    TransportFailure(TransportError error, std::string text, std::string_view setting = {})
        : error_(error), text_(std::move(text)), setting_(setting) {}
    TransportError error() const { return error_; }
    const std::string& setting() const { return setting_; }
    const char* what() const noexcept override {
        return text_.c_str();
    }  // host and port, never the URL's user-info

  private:
    TransportError error_;
    std::string text_, setting_;
};

class Client {
  public:
    Client();
    ~Client();
    // Any HTTP status is a Response. Throws TransportFailure.
    Response send(const Request& request, std::stop_token stop = {});

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// When the server answered, by its own clock: its Date header, else `now`. Dates in its other headers are
// measured against that: its clock may be an hour off.
std::chrono::system_clock::time_point answered_at(const Response& response,
                                                  std::chrono::system_clock::time_point now);

// Retry-After and retry-after-ms: milliseconds (number), seconds (integer or float) or an HTTP date; nullopt
// when it is absent or not valid.
std::optional<Milliseconds> retry_after(const Response& response, std::chrono::system_clock::time_point now);

}  // namespace memoir::http
