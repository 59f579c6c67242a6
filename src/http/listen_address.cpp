#include "http/listen_address.hpp"

#include <sys/un.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <optional>

#include "base/failure.hpp"

namespace memoir::http {
namespace {

constexpr std::string_view unix_prefix = "unix:";

std::optional<boost::asio::ip::address> to_ip(std::string_view text) {
    boost::system::error_code error;
    const auto ip = boost::asio::ip::make_address(std::string(text), error);
    return error ? std::nullopt : std::optional(ip);
}

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
    throw StartError("cannot listen on \"" + std::string(text) + "\": " + why,
                     "write 127.0.0.1:9464, [::1]:9464 or unix:/run/memoird/metrics.sock");
}

// "host:port" and "[v6]:port"; an IPv6 address without brackets is ambiguous.
std::pair<std::string_view, std::string_view> split_port(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos || text.ends_with(']')) return {text, {}};
    return {text.substr(0, colon), text.substr(colon + 1)};
}

std::string_view without_brackets(std::string_view host) {
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    return bracketed ? host.substr(1, host.size() - 2) : host;
}

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    return result;
}

}  // namespace

bool ListenAddress::is_local() const {
    if (is_unix()) return true;
    const auto address = to_ip(ip);
    return address && address->is_loopback();
}

std::string ListenAddress::to_string() const {
    if (is_unix()) return std::string(unix_prefix) + path;
    const bool v6 = ip.find(':') != std::string::npos;
    return (v6 ? "[" + ip + "]" : ip) + ":" + std::to_string(port);
}

ListenAddress parse_listen(std::string_view text) {
    ListenAddress address;
    if (text.starts_with(unix_prefix)) {
        address.path = text.substr(unix_prefix.size());
        if (!address.path.starts_with('/')) refuse(text, "the path of the socket is not absolute");
        if (address.path.size() >= sizeof(sockaddr_un::sun_path)) refuse(text, "the path is too long");
        if (address.path.find('\0') != std::string::npos) refuse(text, "the path holds a null byte");
        return address;
    }
    const auto [host, port] = split_port(text);
    const auto* end = port.data() + port.size();
    const auto [stopped, error] = std::from_chars(port.data(), end, address.port);
    if (port.empty() || error != std::errc() || stopped != end)
        refuse(text, "there is no port from 0 to 65535");
    const bool bracketed = host.starts_with('[');
    const auto ip = to_ip(host == "localhost" ? "127.0.0.1" : without_brackets(host));
    if (!ip) refuse(text, "the host is no IP address");
    if (ip->is_v6() != bracketed) refuse(text, "IPv6 addresses, and only they, stand in brackets");
    address.ip = ip->to_string();
    return address;
}

bool host_allowed(const ListenAddress& address, std::string_view host, std::span<const std::string> names) {
    if (address.is_unix()) return true;
    const auto name = lower(without_brackets(split_port(host).first));
    if (name == "localhost" || name == "127.0.0.1" || name == "::1" || name == address.ip) return true;
    if (!address.is_local() && to_ip(name)) return true;
    return !name.empty() && std::ranges::any_of(names, [&](const auto& ours) { return lower(ours) == name; });
}

}  // namespace memoir::http
