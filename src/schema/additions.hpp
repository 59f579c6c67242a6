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
    std::string_view definition;  // what follows `on SCHEMA.memory_jobs`
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

inline constexpr std::string_view notify_name = "memoird_notify";  // trigger and function
// Creates the function and the trigger.
std::vector<std::string> notify_ddl(const std::string& schema);

// What a daemon's role needs on the fixed part: table, privileges, whether it draws ids from its sequence.
struct Need {
    std::string_view table, privileges;  // "select, insert, update"
    bool sequence;
};
std::span<const Need> fixed_needs();

// "select, insert" → {"select", "insert"}.
std::vector<std::string> split_privileges(std::string_view privileges);

}  // namespace memoir::schema
