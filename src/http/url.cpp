#include "http/url.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace memoir::http {
namespace {

using Handle = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

std::string part(const Handle& handle, CURLUPart which, unsigned flags = 0) {
    char* text = nullptr;
    if (curl_url_get(handle.get(), which, &text, flags) != CURLUE_OK) return {};
    std::string copy(text);
    curl_free(text);
    return copy;
}

}  // namespace

std::string Url::authority() const {
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<Url> parse_url(const std::string& url) {
    // libcurl reads a C string: text after a NUL would escape the check.
    if (url.find('\0') != std::string::npos) return std::nullopt;
    const Handle handle(curl_url(), &curl_url_cleanup);
    if (!handle || curl_url_set(handle.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK)
        return std::nullopt;
    Url parsed;
    parsed.scheme = part(handle, CURLUPART_SCHEME);
    parsed.host = part(handle, CURLUPART_HOST);
    if ((parsed.scheme != "http" && parsed.scheme != "https") || parsed.host.empty()) return std::nullopt;
    std::transform(parsed.host.begin(), parsed.host.end(), parsed.host.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (parsed.host.front() == '[') parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
    parsed.port = std::atoi(part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT).c_str());
    if (parsed.port < 1 || parsed.port > 65'535) return std::nullopt;
    parsed.path = part(handle, CURLUPART_PATH);
    parsed.query = part(handle, CURLUPART_QUERY);
    parsed.has_user_info = !part(handle, CURLUPART_USER).empty() || !part(handle, CURLUPART_PASSWORD).empty();
    return parsed;
}

bool is_loopback(const Url& url) {
    if (url.host == "localhost") return true;
    in_addr v4{};
    if (inet_pton(AF_INET, url.host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
    in6_addr v6{};
    return inet_pton(AF_INET6, url.host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool is_loopback(const std::string& url) {
    const auto parsed = parse_url(url);
    return parsed && is_loopback(*parsed);
}

std::string join(const std::string& base, std::string_view path) {
    const auto question = base.find('?');
    std::string joined = base.substr(0, question);
    while (joined.ends_with('/')) joined.pop_back();
    while (path.starts_with('/')) path.remove_prefix(1);
    joined += '/';
    joined += path;
    if (question != std::string::npos) joined += base.substr(question);
    return joined;
}

std::string join_once(const std::string& base, std::string_view path) {
    const auto bare = std::string_view(base).substr(0, base.find('?'));
    return bare.ends_with(path) ? base : join(base, path);
}

}  // namespace memoir::http
