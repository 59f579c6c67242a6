#pragma once
// The keys of [metrics]: where the HTTP server of metrics, health and page listens. A value; config fills it.

#include <string>
#include <vector>

namespace memoir::telemetry {

struct MetricsOptions {
    std::string listen;                     // "127.0.0.1:9464", "unix:/path"; empty: off
    bool allow_remote = false;              // needed for an address beyond loopback
    std::vector<std::string> host_names{};  // further names that a request's Host header may have
};

}  // namespace memoir::telemetry
