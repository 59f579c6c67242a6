#pragma once
// An operator's wish that backends are asked again at once: one row of memoird_settings, which every host of
// the fleet reads while one of its breakers is open. Thread safety: pure functions.

#include <string>

#include "pg/connection.hpp"

namespace memoir::queue {

inline constexpr std::string_view every_backend = "*";

// `backend`: an endpoint's name, or every_backend. Each request differs from the one before.
pg::Statement request_probe(const std::string& schema, const std::string& backend);

struct ProbeRequest {
    std::string text;     // the whole of it, to be compared; empty: there was none yet
    std::string backend;  // whom it is for
};
pg::Statement last_probe_request(const std::string& schema);
ProbeRequest read_probe_request(const pg::Result& result);

}  // namespace memoir::queue
