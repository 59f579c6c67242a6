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

struct Condition {
    std::string_view sqlstate, name;
};

// Condition names as PostgreSQL's appendix of error codes has them; of those that are met here.
constexpr std::array conditions{
    Condition{"08000", "connection_exception"},
    Condition{"08003", "connection_does_not_exist"},
    Condition{"08006", "connection_failure"},
    Condition{"08P01", "protocol_violation"},
    Condition{"0A000", "feature_not_supported"},
    Condition{"22001", "string_data_right_truncation"},
    Condition{"22003", "numeric_value_out_of_range"},
    Condition{"22021", "character_not_in_repertoire"},
    Condition{"22P02", "invalid_text_representation"},
    Condition{"22P05", "untranslatable_character"},
    Condition{"23502", "not_null_violation"},
    Condition{"23503", "foreign_key_violation"},
    Condition{"23505", "unique_violation"},
    Condition{"23514", "check_violation"},
    Condition{"25006", "read_only_sql_transaction"},
    Condition{"25P02", "in_failed_sql_transaction"},
    Condition{"25P03", "idle_in_transaction_session_timeout"},
    Condition{"26000", "invalid_sql_statement_name"},
    Condition{"28000", "invalid_authorization_specification"},
    Condition{"28P01", "invalid_password"},
    Condition{"3D000", "invalid_catalog_name"},
    Condition{"3F000", "invalid_schema_name"},
    Condition{"40001", "serialization_failure"},
    Condition{"40P01", "deadlock_detected"},
    Condition{"42501", "insufficient_privilege"},
    Condition{"42601", "syntax_error"},
    Condition{"42703", "undefined_column"},
    Condition{"42704", "undefined_object"},
    Condition{"42804", "datatype_mismatch"},
    Condition{"42883", "undefined_function"},
    Condition{"42P01", "undefined_table"},
    Condition{"53000", "insufficient_resources"},
    Condition{"53100", "disk_full"},
    Condition{"53200", "out_of_memory"},
    Condition{"53300", "too_many_connections"},
    Condition{"53400", "configuration_limit_exceeded"},
    Condition{"54000", "program_limit_exceeded"},
    Condition{"55000", "object_not_in_prerequisite_state"},
    Condition{"55006", "object_in_use"},
    Condition{"55P03", "lock_not_available"},
    Condition{"57014", "query_canceled"},
    Condition{"57P01", "admin_shutdown"},
    Condition{"57P02", "crash_shutdown"},
    Condition{"57P03", "cannot_connect_now"},
    Condition{"57P04", "database_dropped"},
    Condition{"57P05", "idle_session_timeout"},
    Condition{"58000", "system_error"},
    Condition{"58030", "io_error"},
    Condition{"XX000", "internal_error"},
    Condition{"XX001", "data_corrupted"},
    Condition{"XX002", "index_corrupted"},
};

}  // namespace

std::string described(std::string_view sqlstate) {
    const auto* found = std::ranges::find(conditions, sqlstate, &Condition::sqlstate);
    return std::string(sqlstate) + (found == conditions.end() ? "" : " (" + std::string(found->name) + ")");
}

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
