#include "pg/error.hpp"

#include <algorithm>
#include <array>

namespace memoir::pg {
namespace {

struct Rule {
    std::string_view prefix;  // a whole SQLSTATE, or the two characters of its class
    ErrorClass error_class;
};

// Whole codes stand before the class that they are an exception from: the first match counts.
constexpr std::array rules{
    Rule{"57P03", ErrorClass::resources},    // cannot_connect_now: starting up
    Rule{"57P05", ErrorClass::connection},   // idle_session_timeout
    Rule{"57014", ErrorClass::cancelled},    // query_canceled
    Rule{"57P01", ErrorClass::connection},   // admin_shutdown
    Rule{"57P02", ErrorClass::connection},   // crash_shutdown
    Rule{"57P04", ErrorClass::connection},   // database_dropped
    Rule{"25006", ErrorClass::read_only},    // read_only_sql_transaction
    Rule{"25P03", ErrorClass::connection},   // idle_in_transaction_session_timeout ends the session
    Rule{"40001", ErrorClass::transaction},  // serialization_failure
    Rule{"40P01", ErrorClass::transaction},  // deadlock_detected
    Rule{"40003", ErrorClass::connection},   // statement_completion_unknown
    Rule{"40002", ErrorClass::data},         // transaction_integrity_constraint_violation
    Rule{"40", ErrorClass::transaction},
    Rule{"55P03", ErrorClass::transaction},  // lock_not_available
    Rule{"55006", ErrorClass::resources},    // object_in_use: "not now"
    Rule{"55000", ErrorClass::resources},    // object_not_in_prerequisite_state: "not now"
    Rule{"42501", ErrorClass::permission},   // insufficient_privilege
    Rule{"42P01", ErrorClass::schema},       // undefined_table
    Rule{"42P02", ErrorClass::other},        // undefined_parameter: a defect of ours
    Rule{"42601", ErrorClass::other},        // syntax_error: a defect of ours
    Rule{"42", ErrorClass::schema},          // undefined or mismatching column, function, type, index …
    Rule{"3D000", ErrorClass::schema},       // no such database
    Rule{"3F000", ErrorClass::schema},       // no such schema
    Rule{"08", ErrorClass::connection},
    Rule{"22", ErrorClass::data},
    Rule{"23", ErrorClass::data},
    Rule{"28", ErrorClass::permission},
    Rule{"53", ErrorClass::resources},
    Rule{"58", ErrorClass::resources},  // system_error, io_error: the server's disk, not our data
};

}  // namespace

std::string_view to_string(ErrorClass error_class) {
    switch (error_class) {
        case ErrorClass::connection:
            return "connection";
        case ErrorClass::resources:
            return "resources";
        case ErrorClass::transaction:
            return "transaction";
        case ErrorClass::cancelled:
            return "cancelled";
        case ErrorClass::data:
            return "data";
        case ErrorClass::permission:
            return "permission";
        case ErrorClass::schema:
            return "schema";
        case ErrorClass::read_only:
            return "read_only";
        case ErrorClass::other:
            return "other";
    }
    return "unknown";
}

ErrorClass classify(std::string_view sqlstate) {
    if (sqlstate.size() != 5) return ErrorClass::other;
    const auto* rule = std::ranges::find_if(
        rules, [&](const Rule& candidate) { return sqlstate.starts_with(candidate.prefix); });
    return rule == rules.end() ? ErrorClass::other : rule->error_class;
}

}  // namespace memoir::pg
