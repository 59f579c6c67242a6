// Who may do what: the privileges of a role by name, so that one round with the administrator is enough.

#include "base/failure.hpp"
#include "base/join.hpp"
#include "pg/name.hpp"
#include "schema/additions.hpp"
#include "schema/inventory.hpp"

namespace memoir::schema {
namespace {

std::string quoted_name(const std::string& identifier) {
    std::string out = "\"";
    for (const char c : identifier) {
        if (c == '"') out += '"';
        out += c;
    }
    return out + '"';
}

// What people read: the queue, memories, who serves what. Not the replies: they are content, and only the
// daemon's.
constexpr std::string_view readable[]{"memories", "memory_jobs", "memoird_vectors", "memoird_pauses",
                                      "memoird_hosts"};

}  // namespace

std::vector<std::string> grants(const std::string& schema, const std::string& role, For purpose) {
    require_valid_name(schema);
    const std::string to = " to " + quoted_name(role);
    std::vector<std::string> lines{"grant usage on schema " + quoted_name(schema) + to};
    const auto table = [&](std::string_view name, std::string_view privileges) {
        lines.push_back("grant " + std::string(privileges) + " on " + pg::qualified(schema, name) + to);
    };
    if (purpose == For::reading) {
        for (const auto name : readable) table(name, "select");
        return lines;
    }
    for (const auto& need : fixed_needs()) {
        table(need.table, need.privileges);
        if (need.sequence)
            lines.push_back("grant usage on sequence " +
                            pg::qualified(schema, std::string(need.table) + "_id_seq") + to);
    }
    for (const auto& ours : our_tables()) table(ours.name, ours.privileges);
    return lines;
}

void check_readable(pg::Connection& connection, const std::string& schema) {
    const auto found = take_inventory(connection, schema);
    require_columns(found, schema);
    std::vector<std::string> lacking;
    const auto may = [&](const char* function, const std::string& object, const char* privilege) {
        return connection
            .exec(std::string("select pg_catalog.") + function + "($1, $2)",
                  pg::Params().add(object).add(std::string(privilege)))
            .boolean(0, 0);
    };
    if (!may("has_schema_privilege", schema, "usage"))
        lacking.push_back("usage on schema " + schema);
    else
        for (const auto name : readable)
            if (found.has_table(name) && !may("has_table_privilege", pg::qualified(schema, name), "select"))
                lacking.push_back("select on " + std::string(name));
    if (lacking.empty()) return;
    const auto role = connection.exec("select current_user").string(0, 0);
    throw StartError(
        "schema " + schema + ": role " + role + " lacks " + join(lacking),
        "memoirctl schema grants --read-only " + role + " prints the statements for an administrator");
}

void require_owner(pg::Connection& connection, const std::string& schema) {
    const auto found = take_inventory(connection, schema);
    const auto rights = connection.exec(
        "select current_user, pg_catalog.current_database(), "
        "pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create'), "
        "(select pg_catalog.has_schema_privilege(n.oid, 'create') from pg_catalog.pg_namespace n "
        "where n.nspname = $1)",
        pg::Params().add(schema));
    const auto role = rights.string(0, 0), database = rights.string(0, 1);
    if (!found.schema_exists && !rights.boolean(0, 2))
        throw StartError(
            "schema " + schema + " does not exist, and role " + role +
                " may not create one in the database " + database,
            "run this as the database's owner or as a superuser (sudo -u postgres memoirctl ...), or "
            "have one of them run: grant create on database " +
                quoted_name(database) + " to " + quoted_name(role));
    if (!found.schema_exists) return;
    const auto others = connection.exec(
        "select distinct pg_catalog.pg_get_userbyid(c.relowner) "
        "from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace "
        "where n.nspname = $1 and c.relkind in ('r', 'p') "
        "and not pg_catalog.pg_has_role(c.relowner, 'usage')",
        pg::Params().add(schema));
    if (!others.empty())
        throw StartError("the tables of schema " + schema + " do not belong to role " + role,
                         "run this as " + others.string(0, 0) +
                             " or as a superuser (sudo -u postgres memoirctl "
                             "...): database.url names the role");
    if (!rights.boolean(0, 3))
        throw StartError("role " + role + " may not create in schema " + schema,
                         "run this as the schema's owner, or have the owner run: grant create on schema " +
                             quoted_name(schema) + " to " + quoted_name(role));
}

}  // namespace memoir::schema
