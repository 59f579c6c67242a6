#pragma once
// The fixed part as data: the tables and columns of docs/contract.md, "PostgreSQL", and the library migration
// that brings each. Not ours to change: other programs create it, read it and write it. Thread safety:
// constants.

#include <span>
#include <string>
#include <string_view>

namespace memoir::schema {

struct Column {
    std::string_view table, name;
    std::string_view type;  // as format_type() writes it
    int migration;          // 1 to 11: the library's migration that creates it
};

// Every column of the four tables that other programs share with memoird.
std::span<const Column> fixed_columns();

// The library's migrations in order; its ledger holds exactly these names.
std::span<const std::string_view> migrations();
inline constexpr std::string_view ledger_table = "memoir_core_migrations";

// What may stand in SQL as a schema's name: [a-z_][a-z0-9_]*, at most 63 bytes. Everything here and elsewhere
// pastes the name into SQL text only after this. Throws StartError.
void require_valid_name(const std::string& schema);

// `statement` with each `$s` replaced by the schema's (valid) name, quoted.
std::string with_schema(std::string_view statement, const std::string& schema);

}  // namespace memoir::schema
