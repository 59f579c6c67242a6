#include "base/failure.hpp"
#include "base/join.hpp"
#include "pg/name.hpp"
#include "schema/additions.hpp"
#include "schema/inventory.hpp"

namespace memoir::schema {
namespace {

std::string current_role(pg::Connection& connection) {
    return connection.exec("select current_user").string(0, 0);
}

// A standby, or default_transaction_read_only for the role, the database or the server.
void require_writable(pg::Connection& connection) {
    const auto state = connection.exec(
        "select pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only'), "
        "current_user");
    if (state.boolean(0, 0))
        throw StartError("the database is a standby and does not accept writes",
                         "point database.url at the primary (target_session_attrs=read-write)");
    if (state.text(0, 1) == "on")
        throw StartError(
            "role " + state.string(0, 2) + " cannot write: its transactions are read-only by default",
            "alter role " + state.string(0, 2) +
                " reset default_transaction_read_only, or check the database's setting");
}

// Names every privilege that the role lacks, so that one round with the administrator is enough.
void require_privileges(pg::Connection& connection, const std::string& schema, const Inventory& found) {
    std::vector<std::string> lacking;
    const auto ask = [&](const std::string& function, const std::string& object,
                         const std::string& privilege) {
        return connection
            .exec("select pg_catalog." + function + "($1, $2)", pg::Params().add(object).add(privilege))
            .boolean(0, 0);
    };
    const auto table = [&](std::string_view name, std::string_view privileges) {
        for (const auto& privilege : split_privileges(privileges))
            if (!ask("has_table_privilege", pg::qualified(schema, name), privilege))
                lacking.push_back(privilege + " on " + std::string(name));
    };
    if (!ask("has_schema_privilege", schema, "usage")) {
        lacking.push_back("usage on schema " + schema);
    } else {
        for (const auto& need : fixed_needs()) {
            table(need.table, need.privileges);
            const std::string sequence = pg::qualified(schema, std::string(need.table) + "_id_seq");
            if (need.sequence && !ask("has_sequence_privilege", sequence, "usage"))
                lacking.push_back("usage on sequence " + std::string(need.table) + "_id_seq");
        }
        for (const auto& ours : our_tables())
            if (found.has_table(ours.name)) table(ours.name, ours.privileges);
    }
    if (lacking.empty()) return;
    const std::string role = current_role(connection);
    throw StartError("schema " + schema + ": role " + role + " lacks " + join(lacking, "; "),
                     "memoirctl schema grants " + role + " prints the statements for an administrator");
}

}  // namespace

void require_columns(const Inventory& found, const std::string& schema) {
    if (!found.schema_exists)
        throw StartError("schema " + schema + " does not exist", "memoirctl schema apply creates it");
    if (!found.has_any_fixed_table())
        throw StartError("schema " + schema + " has no table memories", "memoirctl schema apply creates it");
    if (const auto missing = missing_columns(found); !missing.empty())
        throw StartError(
            "schema " + schema + ": " + join(missing, "; "),
            "run the migrations of the library (polypixel-memoir-core 0.4.0 or later) on this schema");
}

void check_columns(pg::Connection& connection, const std::string& schema) {
    require_columns(take_inventory(connection, schema), schema);
}

Additions check(pg::Connection& connection, const std::string& schema) {
    const auto found = take_inventory(connection, schema);
    require_columns(found, schema);
    require_privileges(connection, schema, found);
    require_writable(connection);
    auto additions = found.additions;
    if (additions.settings) {
        const auto lowest = connection.exec("select value from " + pg::qualified(schema, "memoird_settings") +
                                            " where name = 'lowest_protocol' and value ~ '^[0-9]{1,6}$'");
        if (!lowest.empty()) additions.lowest_protocol = std::stoi(lowest.string(0, 0));
    }
    return additions;
}

void require_protocol(const Additions& additions) {
    const int lowest = additions.lowest_protocol.value_or(0);
    if (lowest <= protocol) return;
    throw StartError("the other processes on this schema require protocol " + std::to_string(lowest) +
                         ", but this release speaks " + std::to_string(protocol),
                     "install the release that the other processes run");
}

}  // namespace memoir::schema
