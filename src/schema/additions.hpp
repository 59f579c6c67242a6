#pragma once
// What is ours beside the fixed part, as data: every name begins with `memoird_`, and nothing of it is in the
// library's ledger. Thread safety: functions without state.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/schema.hpp"

namespace memoir::schema {

struct Index {
    std::string_view name;
    std::string_view table;       // one of the fixed ones
    std::string_view definition;  // what follows `on SCHEMA.TABLE`
    std::string_view gain;
    bool Additions::*present;
    std::string create_sql(const std::string& schema, bool concurrently) const;
};
std::span<const Index> our_indexes();

struct Table {
    std::string_view name;
    std::string_view definition;  // `$s` stands for the schema
    std::string_view gain;
    std::string_view privileges;  // what a daemon's role and its memoirctl need
    bool Additions::*present;
    std::string create_sql(const std::string& schema) const;
};
std::span<const Table> our_tables();

// A column that a later release gave to a table of ours.
struct AddedColumn {
    std::string_view table, name, type;
    bool Additions::*present;
    std::string create_sql(const std::string& schema) const;
};
std::span<const AddedColumn> our_columns();

// The first row of memoird_settings: the lowest protocol that may run.
std::string settings_sql(const std::string& schema);

inline constexpr std::string_view notify_name = "memoird_notify";  // trigger and function
// Creates, or replaces, the function.
std::string notify_function_ddl(const std::string& schema);
std::string notify_trigger_ddl(const std::string& schema);
// What stands in the function's body, and did not in 0.1.0's.
inline constexpr std::string_view notify_mark = "pg_try_advisory_xact_lock";

// What a daemon's role needs on the fixed part: table, privileges, whether it draws ids from its sequence.
struct Need {
    std::string_view table, privileges;  // "select, insert, update"
    bool sequence;
};
std::span<const Need> fixed_needs();

// "select, insert" → {"select", "insert"}.
std::vector<std::string> split_privileges(std::string_view privileges);

}  // namespace memoir::schema
