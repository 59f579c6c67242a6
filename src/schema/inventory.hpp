#pragma once
// What the catalogue says about one schema, read in a few statements that need no privilege on the tables.
// Thread safety: values.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "pg/connection.hpp"
#include "schema/contract.hpp"
#include "schema/schema.hpp"

namespace memoir::schema {

struct Inventory {
    bool schema_exists = false;
    std::map<std::string, std::map<std::string, std::string>> columns;  // table → column → type
    std::set<std::string> invalid_indexes;                              // ours, left by a build that failed
    Additions additions;
    bool notify_trigger = false, notify_function = false;  // there, if disabled

    bool has_table(std::string_view name) const { return columns.contains(std::string(name)); }
    // Of the fixed tables (the ledger counts).
    bool has_any_fixed_table() const;
};

Inventory take_inventory(pg::Connection& connection, const std::string& schema);

// What the fixed part lacks, in our words, each with the library's migration that brings it; empty: nothing.
std::vector<std::string> missing_columns(const Inventory& inventory);
// Throws StartError where the schema, a table or a column is missing.
void require_columns(const Inventory& found, const std::string& schema);

}  // namespace memoir::schema
