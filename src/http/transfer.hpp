#pragma once
// One exchange on a libcurl easy handle: sets the options, collects the answer within its limits, and
// describes failures in words of ours. Does not wait: client.cpp drives the handle. Internal to http/. Lives
// as long as the handle uses it; one thread.

#include <curl/curl.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/client.hpp"
#include "http/url.hpp"

namespace memoir::http {

// Throws TransportFailure(invalid) for a request that must not or cannot be sent.
Url checked_url(const Request& request);

class Transfer {
  public:
    // Readies `easy`; the request, the URL and this object must outlive its use.
    Transfer(CURL* easy, const Request& request, const Url& url);
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;

    // When silence becomes a failure; nullopt while there is no such limit (no headers yet).
    std::optional<TimePoint> silent_at() const;
    // Returns the answer, or throws what `code` means.
    Response finish(CURLcode code);
    [[noreturn]] void fail(TransportError error, std::string_view words, std::string_view setting = {}) const;

  private:
    static std::size_t on_header(char* text, std::size_t size, std::size_t count, void* self);
    static std::size_t on_body(char* text, std::size_t size, std::size_t count, void* self);
    static int on_request(void* self, char*, char*, int, int);
    std::size_t header_line(std::string_view line);
    void set_method();
    void set_headers();
    void set_limits();
    [[noreturn]] void fail_with(CURLcode code) const;
    [[noreturn]] void fail_redirect() const;

    CURL* easy_;
    const Request& request_;
    const Url& url_;
    std::string user_agent_;
    std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers_{nullptr, &curl_slist_free_all};
    Response response_;
    std::size_t header_bytes_ = 0;
    bool sent_ = false;          // the connection stood and the request began to go out
    bool headers_done_ = false;  // of the final answer, not of a 100 Continue
    bool too_large_ = false;     // why a callback stopped the transfer
    TimePoint last_byte_{};
};

}  // namespace memoir::http
