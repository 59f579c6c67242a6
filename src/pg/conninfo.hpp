#pragma once
// What of a connection string memoird has to know itself: where to connect to, because names are resolved
// off the thread. Everything else (TLS, service and password files, PG… variables) stays libpq's business.
// Thread safety: functions.

#include <string>
#include <vector>

namespace memoir::pg {

struct Target {
    std::string host;     // name for TLS, or a socket directory; may be empty when address is not
    std::string address;  // numeric; empty: a socket, or to be resolved from host
    std::string port;     // empty: libpq's default
    bool is_socket() const { return host.starts_with('/') || host.starts_with('@'); }
};

struct Conninfo {
    // In the order to try; empty: libpq's own default, the local socket.
    std::vector<Target> targets;
    std::string target_session_attrs;
    bool has_keepalive = false;     // the operator set keepalive parameters of their own
    bool has_user_timeout = false;  // or tcp_user_timeout
};

// With service file, environment and defaults applied. Throws Error(other) when it does not parse; its text
// repeats nothing of the string.
Conninfo read_conninfo(const std::string& conninfo);

// For checking a configuration: what read_conninfo would throw for, without looking at files or environment.
bool conninfo_parses(const std::string& conninfo);

}  // namespace memoir::pg
