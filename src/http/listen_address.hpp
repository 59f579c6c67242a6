#pragma once
// Where a server listens, as an operator writes it: "127.0.0.1:9464", "[::1]:9464", "localhost:9464",
// "unix:/run/memoird/metrics.sock". No other names: what one resolves to may change. Thread safety: values.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace memoir::http {

struct ListenAddress {
    std::string path;        // of a unix socket; empty: TCP
    std::string ip;          // without brackets
    std::uint16_t port = 0;  // 0: any free one

    bool is_unix() const { return !path.empty(); }
    // Reached from this machine alone: 127.0.0.0/8, ::1, unix sockets. Others need metrics.allow_remote.
    bool is_local() const;
    std::string to_string() const;
};

// Throws StartError with a HINT that shows the forms.
ListenAddress parse_listen(std::string_view text);

// Whether a request with this Host header may be answered. A page that a browser loaded from elsewhere can
// have its own name resolve to our address and then read what we serve; the Host header still tells that name
// (DNS rebinding). So only names that nobody else can choose count: loopback's own, the address we listen on,
// and `names`; beyond loopback any IP address, too, for an address is not resolved. What is asked of a unix
// socket comes from no browser.
bool host_allowed(const ListenAddress& address, std::string_view host,
                  std::span<const std::string> names = {});

}  // namespace memoir::http
