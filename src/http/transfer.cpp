#include "http/transfer.hpp"

#include <algorithm>
#include <cerrno>
#include <string>

namespace memoir::http {
namespace {

// Stops a server that never ends its headers; real servers stay below 16 kB.
constexpr std::size_t max_header_bytes = 256 << 10;

bool has_control(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

std::string lower(std::string_view text) {
    std::string copy(text);
    std::transform(copy.begin(), copy.end(), copy.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return copy;
}

std::string_view trimmed(std::string_view text) {
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
    return text;
}

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool is_tls(CURLcode code) {
    switch (code) {
        case CURLE_SSL_CONNECT_ERROR:
        case CURLE_SSL_ENGINE_NOTFOUND:
        case CURLE_SSL_ENGINE_SETFAILED:
        case CURLE_SSL_ENGINE_INITFAILED:
        case CURLE_SSL_CERTPROBLEM:
        case CURLE_SSL_CIPHER:
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_SSL_SHUTDOWN_FAILED:
        case CURLE_SSL_CRL_BADFILE:
        case CURLE_SSL_ISSUER_ERROR:
        case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        case CURLE_SSL_INVALIDCERTSTATUS:
        case CURLE_SSL_CLIENTCERT:
            return true;
        default:
            return false;
    }
}

}  // namespace

Url checked_url(const Request& request) {
    auto url = parse_url(request.url);
    if (!url) throw TransportFailure(TransportError::invalid, "not an http:// or https:// URL");
    const bool secret = !request.secret_header.empty() || url->has_user_info;
    if (secret && url->scheme == "http" && !is_loopback(*url))
        throw TransportFailure(TransportError::invalid,
                               url->authority() + ": a secret is not sent over http:// beyond loopback");
    bool broken = has_control(request.method) || has_control(request.secret_header) ||
                  has_control(request.secret_value.reveal());
    for (const auto& [name, value] : request.headers)
        broken = broken || has_control(name) || has_control(value);
    if (broken)
        throw TransportFailure(TransportError::invalid, url->authority() + ": a header holds a line break");
    return *url;
}

Transfer::Transfer(CURL* easy, const Request& request, const Url& url)
    : easy_(easy), request_(request), url_(url), user_agent_("memoird/" MEMOIRD_VERSION) {
    curl_easy_setopt(easy_, CURLOPT_URL, request_.url.c_str());
    curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    // A port that does not speak HTTP must not be taken for a server that sends bodies without headers.
    curl_easy_setopt(easy_, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(easy_, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy_, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy_, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy_, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    curl_easy_setopt(easy_, CURLOPT_USERAGENT, user_agent_.c_str());
    // Uncompressed answers are requested; a proxy that compresses regardless is understood.
    curl_easy_setopt(easy_, CURLOPT_ACCEPT_ENCODING, "identity");
    if (!request_.ca_file.empty()) curl_easy_setopt(easy_, CURLOPT_CAINFO, request_.ca_file.c_str());
    if (is_loopback(url_)) curl_easy_setopt(easy_, CURLOPT_NOPROXY, "*");
    // A proxy's own answer to CONNECT is not the server's.
    curl_easy_setopt(easy_, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);

    curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, &Transfer::on_header);
    curl_easy_setopt(easy_, CURLOPT_HEADERDATA, this);
    curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &Transfer::on_body);
    curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(easy_, CURLOPT_PREREQFUNCTION, &Transfer::on_request);
    curl_easy_setopt(easy_, CURLOPT_PREREQDATA, this);
    set_method();
    set_headers();
    set_limits();
}

void Transfer::set_method() {
    if (request_.method == "GET" && request_.body.empty()) {
        curl_easy_setopt(easy_, CURLOPT_HTTPGET, 1L);
    } else if (request_.method == "HEAD") {
        curl_easy_setopt(easy_, CURLOPT_NOBODY, 1L);
    } else {
        if (request_.body.empty() && request_.method != "POST" && request_.method != "PUT")
            curl_easy_setopt(easy_, CURLOPT_HTTPGET, 1L);
        else {
            curl_easy_setopt(easy_, CURLOPT_POST, 1L);
            curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, request_.body.data());
            curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE,
                             static_cast<curl_off_t>(request_.body.size()));
        }
        curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
    }
}

void Transfer::set_headers() {
    const auto add = [this](const std::string& line) {
        curl_slist* longer = curl_slist_append(headers_.get(), line.c_str());
        if (!longer) fail(TransportError::other, "out of memory");
        if (!headers_) headers_.reset(longer);
    };
    bool typed = false;
    for (const auto& [name, value] : request_.headers) {
        // "Name;" is libcurl's notation for a header without a value.
        auto line = name;
        add(value.empty() ? line += ';' : line.append(": ").append(value));
        typed = typed || lower(name) == "content-type";
    }
    // libcurl's own additions: a form's content type, and a pause for "100 Continue" before large bodies.
    if (!typed) add("Content-Type:");
    add("Expect:");
    if (!request_.secret_header.empty()) add(request_.secret_header + ": " + request_.secret_value.reveal());
    curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers_.get());
}

void Transfer::set_limits() {
    // 0 means no limit to libcurl, which memoird never asks for.
    const auto at_least_one = [](Milliseconds time) { return std::max(1L, static_cast<long>(time.count())); };
    curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS, at_least_one(request_.connect_timeout));
    curl_easy_setopt(easy_, CURLOPT_TIMEOUT_MS, at_least_one(request_.timeout));
    // Refuses a length that is announced; on_body refuses one that is announced wrongly or not at all.
    if (request_.method != "HEAD")
        curl_easy_setopt(easy_, CURLOPT_MAXFILESIZE_LARGE,
                         static_cast<curl_off_t>(std::max<std::size_t>(1, request_.max_response_bytes)));
}

int Transfer::on_request(void* self, char*, char*, int, int) {
    static_cast<Transfer*>(self)->sent_ = true;
    return CURL_PREREQFUNC_OK;
}

std::size_t Transfer::on_header(char* text, std::size_t size, std::size_t count, void* self) {
    return static_cast<Transfer*>(self)->header_line({text, size * count});
}

std::size_t Transfer::header_line(std::string_view line) {
    last_byte_ = Steady::now();
    header_bytes_ += line.size();
    if (header_bytes_ > max_header_bytes) {
        too_large_ = true;
        return 0;
    }
    if (headers_done_) return line.size();  // a trailer
    if (line.starts_with("HTTP/")) {        // the final answer, possibly after a 100 Continue
        response_.headers.clear();
        return line.size();
    }
    if (trimmed(line).empty()) {
        long status = 0;
        curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
        headers_done_ = status >= 200;
        return line.size();
    }
    if (const auto colon = line.find(':'); colon != std::string_view::npos)
        response_.headers.emplace_back(lower(trimmed(line.substr(0, colon))),
                                       std::string(trimmed(line.substr(colon + 1))));
    return line.size();
}

std::size_t Transfer::on_body(char* text, std::size_t size, std::size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    transfer.last_byte_ = Steady::now();
    auto& body = transfer.response_.body;
    if (size * count > transfer.request_.max_response_bytes - body.size()) {
        transfer.too_large_ = true;
        return 0;
    }
    body.append(text, size * count);
    return size * count;
}

std::optional<TimePoint> Transfer::silent_at() const {
    if (!headers_done_ || request_.silence_timeout.count() <= 0) return std::nullopt;
    return last_byte_ + request_.silence_timeout;
}

Response Transfer::finish(CURLcode code) {
    if (code != CURLE_OK) fail_with(code);
    long status = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    response_.status = static_cast<int>(status);
    if (is_redirect(response_.status)) fail_redirect();
    return std::move(response_);
}

void Transfer::fail(TransportError error, std::string_view words, std::string_view setting) const {
    throw TransportFailure(error, url_.authority() + ": " + std::string(words), setting);
}

// The target of a redirect is the server's text; its description is ours.
void Transfer::fail_redirect() const {
    const auto target = parse_url(response_.header("location"));
    std::string_view where = "another path";
    if (target && target->host != url_.host)
        where = "another host";
    else if (target && target->scheme != url_.scheme)
        where = target->scheme == "https" ? "https:// of the same host" : "http:// of the same host";
    else if (target && target->port != url_.port)
        where = "another port";
    fail(TransportError::redirect,
         "HTTP " + std::to_string(response_.status) + " leads to " + std::string(where) + ", not followed");
}

void Transfer::fail_with(CURLcode code) const {
    if (too_large_ || code == CURLE_FILESIZE_EXCEEDED)
        fail(TransportError::too_large,
             "the answer is larger than " + std::to_string(request_.max_response_bytes) + " bytes");
    if (is_tls(code)) {
        if (code == CURLE_PEER_FAILED_VERIFICATION)
            fail(TransportError::tls, "the server's certificate is not trusted", "ca_file");
        if (code == CURLE_SSL_CACERT_BADFILE)
            fail(TransportError::tls, "the CA file cannot be used", "ca_file");
        fail(TransportError::tls, "TLS failed");
    }
    switch (code) {
        case CURLE_URL_MALFORMAT:
            fail(TransportError::invalid, "not an http:// or https:// URL");
        case CURLE_COULDNT_RESOLVE_HOST:
            fail(TransportError::resolve, "name not resolved");
        case CURLE_COULDNT_RESOLVE_PROXY:
            fail(TransportError::resolve, "name of the proxy not resolved");
        case CURLE_COULDNT_CONNECT: {
            long error = 0;
            curl_easy_getinfo(easy_, CURLINFO_OS_ERRNO, &error);
            fail(TransportError::refused, error == ECONNREFUSED ? "connection refused" : "host not reached");
        }
        case CURLE_OPERATION_TIMEDOUT:
            if (!sent_) fail(TransportError::connect_timeout, "no connection in time");
            fail(TransportError::timeout,
                 headers_done_ ? "answer not complete in time" : "no answer in time");
        case CURLE_UNSUPPORTED_PROTOCOL:
        case CURLE_WEIRD_SERVER_REPLY:
            fail(TransportError::not_http, "the server does not speak HTTP/1.1");
        default:
            break;
    }
    // Before the request has been sent, every failure means that no connection could be made (a proxy refuses
    // …).
    if (!sent_ && (code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_PROXY))
        fail(TransportError::refused, "connection or proxy refused");
    switch (code) {
        case CURLE_GOT_NOTHING:
            fail(TransportError::cut, "connection closed without an answer");
        case CURLE_PARTIAL_FILE:
            fail(TransportError::cut, "connection closed within the answer");
        case CURLE_BAD_CONTENT_ENCODING:
            fail(TransportError::cut, "the answer's encoding is broken");
        case CURLE_RECV_ERROR:
        case CURLE_SEND_ERROR:
            fail(TransportError::reset, "connection reset");
        default:
            fail(TransportError::other, "libcurl error " + std::to_string(static_cast<int>(code)));
    }
}

}  // namespace memoir::http
