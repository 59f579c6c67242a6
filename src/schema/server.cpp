#include "schema/server.hpp"

#include "pg/name.hpp"

namespace memoir::schema {

Server ask_server(pg::Connection& connection) {
    const auto row = connection.exec(
        "select current_user, pg_catalog.pg_is_in_recovery(), "
        "pg_catalog.current_setting('default_transaction_read_only') = 'on', "
        "(extract(epoch from clock_timestamp()) * 1000)::bigint, "
        "(select setting::bigint from pg_catalog.pg_settings where name = 'statement_timeout'), "
        "(select setting::bigint from pg_catalog.pg_settings where name = "
        "'idle_in_transaction_session_timeout'), "
        "(select setting::bigint from pg_catalog.pg_settings where name = 'lock_timeout'), "
        "(select setting::bigint from pg_catalog.pg_settings where name = 'max_connections'), "
        "(select setting::bigint from pg_catalog.pg_settings where name = 'superuser_reserved_connections'), "
        "(select count(*) from pg_catalog.pg_stat_activity where datid is not null "
        "and pid <> pg_catalog.pg_backend_pid() and application_name not like 'memoird%'), "
        "(select nullif(rolconnlimit, -1)::bigint from pg_catalog.pg_roles where rolname = session_user), "
        "pg_catalog.current_setting('fsync') = 'on', "
        "pg_catalog.current_setting('full_page_writes') = 'on', "
        "pg_catalog.current_setting('autovacuum') = 'on'");
    Server server;
    server.role = row.string(0, 0);
    server.standby = row.boolean(0, 1);
    server.read_only = row.boolean(0, 2);
    server.clock = std::chrono::milliseconds(row.integer(0, 3));
    server.statement_timeout = Milliseconds(row.integer(0, 4));
    server.idle_in_transaction_timeout = Milliseconds(row.integer(0, 5));
    server.lock_timeout = Milliseconds(row.integer(0, 6));
    server.max_connections = row.integer(0, 7);
    server.reserved = row.integer(0, 8);
    server.used = row.integer(0, 9);
    if (!row.is_null(0, 10)) server.role_connections = row.integer(0, 10);
    server.fsync = row.boolean(0, 11);
    server.full_page_writes = row.boolean(0, 12);
    server.autovacuum = row.boolean(0, 13);
    return server;
}

std::vector<OpenTransaction> open_transactions(pg::Connection& connection, Milliseconds age) {
    const auto rows = connection.exec(
        "select pid, coalesce(usename, ''), coalesce(application_name, ''), "
        "extract(epoch from clock_timestamp() - xact_start)::bigint "
        "from pg_catalog.pg_stat_activity where (backend_xmin is not null or backend_xid is not null) "
        "and pid <> pg_catalog.pg_backend_pid() "
        "and xact_start < clock_timestamp() - $1::bigint * interval '1 millisecond' "
        "union all select null, owner, 'a prepared transaction', "
        "extract(epoch from clock_timestamp() - prepared)::bigint from pg_catalog.pg_prepared_xacts "
        "where prepared < clock_timestamp() - $1::bigint * interval '1 millisecond' order by 4 desc limit 20",
        pg::Params().add(static_cast<std::int64_t>(age.count())));
    std::vector<OpenTransaction> open;
    for (int row = 0; row < rows.rows(); ++row)
        open.push_back({rows.is_null(row, 0) ? 0 : rows.integer(row, 0), rows.string(row, 1),
                        rows.string(row, 2), rows.integer(row, 3)});
    return open;
}

std::vector<std::string> tables_with_hidden_rows(pg::Connection& connection, const std::string& schema) {
    const auto rows = connection.exec(
        "select c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace "
        "where n.nspname = $1 and c.relkind in ('r', 'p') and pg_catalog.row_security_active(c.oid) order by 1",
        pg::Params().add(schema));
    std::vector<std::string> tables;
    for (int row = 0; row < rows.rows(); ++row) tables.push_back(rows.string(row, 0));
    return tables;
}

bool queue_not_vacuumed(pg::Connection& connection, const std::string& schema) {
    return !connection
                .exec(
                    "select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = "
                    "c.relnamespace, pg_catalog.pg_options_to_table(c.reloptions) o "
                    "where n.nspname = $1 and c.relname = 'memory_jobs' "
                    "and o.option_name = 'autovacuum_enabled' and not o.option_value::boolean",
                    pg::Params().add(schema))
                .empty();
}

}  // namespace memoir::schema
