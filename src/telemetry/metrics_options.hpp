#pragma once
#include <string>

namespace memoir::telemetry {

struct MetricsOptions {
    std::string listen;         // "127.0.0.1:9464", "unix:/path"; empty: off
    bool allow_remote = false;  // needed for an address beyond loopback
};

}  // namespace memoir::telemetry
