#pragma once
// How a lost connection is told from another: by what was said of it. Thread safety: functions.

#include <string_view>

#include "pg/error.hpp"

namespace memoir::pg {

// What the loss of a connection begins with whose answer did not come in time.
inline constexpr std::string_view unanswered = "no answer within ";

// The server or the network closed it: no word about the database, which the next connect finds out.
inline bool closed(const Error& loss) {
    return loss.error_class() == ErrorClass::connection &&
           !std::string_view(loss.what()).starts_with(unanswered);
}

}  // namespace memoir::pg
