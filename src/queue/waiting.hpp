#pragma once
// Corrections that wait to be worked on, as whoever stores their feedback ahead sees them. Thread safety:
// pure functions.

#include <cstdint>
#include <string>
#include <vector>

#include "pg/connection.hpp"

namespace memoir::queue {

struct WaitingRow {
    std::int64_t id;
    std::string source_pid, payload;
};
// Pending and parked reprocess jobs beyond `after`, by id, whose payload has a feedback and no note of ours.
pg::Statement waiting_corrections(const std::string& schema, std::int64_t after, int limit);
std::vector<WaitingRow> waiting_rows(const pg::Result& result);

// Replaces the payload of a row that nobody works on; `before` is what it has to be. Returns the id.
pg::Statement note_in_waiting(const std::string& schema, const WaitingRow& before,
                              const std::string& payload);

}  // namespace memoir::queue
