#pragma once
// Where a server listens, as an operator writes it: "127.0.0.1:9464", "[::1]:9464", "localhost:9464",
// "unix:/run/memoird/metrics.sock". Other names are refused: what they resolve to may change. Thread safety:
// values.

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
// (DNS rebinding). So only names that others cannot choose count: those of loopback, the address that we
// listen on, and `names`; beyond loopback also every IP address, because an address is not resolved. Requests
// on a unix socket do not come from a browser.
bool host_allowed(const ListenAddress& address, std::string_view host,
                  std::span<const std::string> names = {});

}  // namespace memoir::http
