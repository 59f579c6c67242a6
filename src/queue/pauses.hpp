#pragma once
// Pauses of the fleet: rows of memoird_pauses, a kind or `*` each. Workers read them with the idle probe (the
// library's workers do not obey them); memoirctl writes them. Statements, so that they can be pipelined.
// Thread safety: functions.

#include <string>
#include <string_view>
#include <vector>

#include "pg/result.hpp"

namespace memoir::queue {

inline constexpr std::string_view every_kind = "*";

struct Pause {
    std::string kind;       // or every_kind
    std::string paused_at;  // RFC 3339, UTC
    std::string paused_by;
};

// Ask only where schema::Additions::pauses says that the table is there.
pg::Statement select_pauses(const std::string& schema);
std::vector<Pause> read_pauses(const pg::Result& result);
// The pause that holds `kind` back, its own before `*`; null: none.
const Pause* pause_of(const std::vector<Pause>& pauses, std::string_view kind);

// A second pause of the same kind keeps the first one's time and author. Returns a row only for a new one.
pg::Statement insert_pause(const std::string& schema, const std::string& kind, const std::string& by);
// every_kind ends all pauses. Returns the kinds that were paused.
pg::Statement delete_pause(const std::string& schema, const std::string& kind);

}  // namespace memoir::queue
