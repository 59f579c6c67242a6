#pragma once
// Who does what is done once for all processes: rows of memoird_duties, each held by a process until a time
// that it moves on while it lives. Once that has passed another one takes the row over. Ask only where
// schema::Additions::duties says that the table is there. Thread safety: functions.

#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "pg/connection.hpp"

namespace memoir::queue {

struct Duty {
    std::string name;
    std::string nonce;  // its holder's
    bool held = false;  // its time has not passed
};
// Read plainly: whoever finds all held by others writes nothing.
pg::Statement select_duties(const std::string& schema);
std::vector<Duty> read_duties(const pg::Result& result);

// Takes those of `names` that are free, and keeps those that are held by `nonce`, for so long from now.
// Returns the names that are held by `nonce` then. Asynchronous.
pg::Statement take_duties(const std::string& schema, std::span<const std::string> names,
                          const std::string& nonce, Milliseconds hold);
// Gives up those of `names`, or all.
pg::Statement leave_duties(const std::string& schema, std::span<const std::string> names,
                           const std::string& nonce);
pg::Statement leave_all_duties(const std::string& schema, const std::string& nonce);

}  // namespace memoir::queue
