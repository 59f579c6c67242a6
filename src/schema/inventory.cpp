#include "schema/inventory.hpp"

#include "schema/additions.hpp"

namespace memoir::schema {

bool Inventory::has_any_fixed_table() const {
    if (has_table(ledger_table)) return true;
    for (const auto& column : fixed_columns())
        if (has_table(column.table)) return true;
    return false;
}

namespace {

// The types of the tables by their numbers, which no setting of the session dresses up (quote_all_identifiers
// puts what format_type says in quotes).
std::string named_type() {
    return "case a.atttypid::bigint when 25 then 'text' when 1043 then 'character varying' when 20 then 'bigint' "
           "when 23 then 'integer' when 21 then 'smallint' when 3802 then 'jsonb' when 1184 then 'timestamp with "
           "time zone' else pg_catalog.format_type(a.atttypid, a.atttypmod) end";
}

}  // namespace

Inventory take_inventory(pg::Connection& connection, const std::string& schema) {
    require_valid_name(schema);
    const auto of_schema = pg::Params().add(schema);
    Inventory found;
    found.schema_exists =
        !connection.exec("select from pg_catalog.pg_namespace where nspname = $1", of_schema).empty();
    if (!found.schema_exists) return found;

    // pg_attribute and not information_schema, which hides what the role has no privilege on.
    const auto columns = connection.exec(
        "select c.relname, a.attname, " + named_type() +
            " "
            "from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace "
            "join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped "
            "where n.nspname = $1 and c.relkind in ('r', 'p')",
        of_schema);
    for (int row = 0; row < columns.rows(); ++row)
        found.columns[columns.string(row, 0)][columns.string(row, 1)] = columns.string(row, 2);

    const auto indexes = connection.exec(
        "select i.relname, x.indisvalid and x.indisready "
        "from pg_catalog.pg_index x join pg_catalog.pg_class i on i.oid = x.indexrelid "
        "join pg_catalog.pg_class t on t.oid = x.indrelid "
        "join pg_catalog.pg_namespace n on n.oid = t.relnamespace "
        "where n.nspname = $1 and t.relname in ('memory_jobs', 'memories') and i.relname like 'memoird\\_%'",
        of_schema);
    for (int row = 0; row < indexes.rows(); ++row)
        for (const auto& index : our_indexes())
            if (indexes.text(row, 0) == index.name) {
                found.additions.*index.present = indexes.boolean(row, 1);
                if (!indexes.boolean(row, 1)) found.invalid_indexes.insert(std::string(index.name));
            }
    for (const auto& table : our_tables()) found.additions.*table.present = found.has_table(table.name);
    for (const auto& column : our_columns())
        if (const auto table = found.columns.find(std::string(column.table)); table != found.columns.end())
            found.additions.*column.present = table->second.contains(std::string(column.name));

    const auto trigger = connection.exec(
        "select g.tgenabled in ('O', 'A') from pg_catalog.pg_trigger g "
        "join pg_catalog.pg_class t on t.oid = g.tgrelid "
        "join pg_catalog.pg_namespace n on n.oid = t.relnamespace "
        "where n.nspname = $1 and t.relname = 'memory_jobs' and g.tgname = 'memoird_notify'",
        of_schema);
    found.notify_trigger = !trigger.empty();
    found.additions.notify = found.notify_trigger && trigger.boolean(0, 0);
    const auto function = connection.exec(
        "select strpos(p.prosrc, $2) = 0 from pg_catalog.pg_proc p "
        "join pg_catalog.pg_namespace n on n.oid = p.pronamespace "
        "where n.nspname = $1 and p.proname = 'memoird_notify'",
        pg::Params().add(schema).add(notify_mark));
    found.notify_function = !function.empty();
    found.additions.notify_serial = found.notify_trigger && found.notify_function && function.boolean(0, 0);
    return found;
}

std::vector<std::string> missing_columns(const Inventory& inventory) {
    // varchar holds what text holds; older writers' schemas may have either.
    const auto fits = [](std::string_view type, std::string_view wanted) {
        return type == wanted || (wanted == "text" && type.starts_with("character varying"));
    };
    std::vector<std::string> missing;
    std::string_view absent_table;
    for (const auto& column : fixed_columns()) {
        const std::string by = ", which the library's migration " +
                               std::string(migrations()[static_cast<std::size_t>(column.migration - 1)]) +
                               " creates";
        const auto table = inventory.columns.find(std::string(column.table));
        if (table == inventory.columns.end()) {
            if (absent_table != column.table) missing.push_back("no table " + std::string(column.table) + by);
            absent_table = column.table;
            continue;
        }
        const auto found = table->second.find(std::string(column.name));
        const std::string name = std::string(column.table) + "." + std::string(column.name);
        if (found == table->second.end())
            missing.push_back(("no column " + name).append(by));
        else if (!fits(found->second, column.type))
            missing.push_back(("column " + name)
                                  .append(" is ")
                                  .append(found->second)
                                  .append(" instead of ")
                                  .append(std::string(column.type)));
    }
    return missing;
}

}  // namespace memoir::schema
