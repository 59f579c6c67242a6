#pragma once
// One line for the endpoint that holds work back, as the systemd STATUS line shows it. Thread safety: pure.

#include <string>

#include "endpoint/endpoint.hpp"

namespace memoir::endpoint {

// "extraction open: blocked: HTTP 401, next probe in 900 s"; empty: it takes what comes. A hint is not in it:
// the line is short, and the breaker's event and memoirctl status tell.
std::string trouble(const Snapshot& endpoint);

}  // namespace memoir::endpoint
