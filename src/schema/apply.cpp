// Two steps: what may run in a transaction does so, all of it or nothing; indexes on a
// queue that is in use are built concurrently, one statement each, outside. Every wait for a lock is short
// and tried again, so that no writer is queued behind us for longer than that.
#include <optional>
#include <thread>

#include "base/failure.hpp"
#include "base/join.hpp"
#include "pg/name.hpp"
#include "schema/additions.hpp"
#include "schema/inventory.hpp"

namespace memoir::schema {
namespace {

using Say = std::function<void(const std::string&)>;

// Below deadlock_timeout: where a writer and we wait for each other, we are the one that gives up.
constexpr Milliseconds yield_after{500};

// Runs `work` again while it only meets locks, for `patience` in tries of `each`; `work` plans anew each
// time.
void with_patience(Milliseconds each, Milliseconds patience, const std::function<void()>& work) {
    for (auto waited = each;; waited += each) {
        try {
            return work();
        } catch (const pg::Error& error) {
            if (error.error_class() != pg::ErrorClass::transaction) throw;
            if (waited >= patience)
                throw pg::Error(
                    error.error_class(), error.sqlstate(),
                    error.sqlstate() + ": could not lock the tables within " +
                        std::to_string(patience.count() / 1000) +
                        " s\nHINT: another transaction holds the lock (pg_stat_activity shows which); "
                        "end it and run this again, it goes on where it stopped");
        }
        // Lets the writers through that queued up behind us.
        std::this_thread::sleep_for(each / 5);
    }
}

void in_transaction(pg::Connection& connection, const ApplyOptions& options,
                    const std::function<void(pg::Transaction&)>& work) {
    with_patience(yield_after, options.lock_patience, [&] {
        pg::Transaction transaction(connection, pg::Transaction::Durability::on, yield_after);
        work(transaction);
        transaction.commit();
    });
}

void require_complete_or_absent(const Inventory& found, const std::string& schema) {
    if (!found.has_any_fixed_table()) return;
    const auto missing = missing_columns(found);
    if (missing.empty()) return;
    throw StartError(
        "schema " + schema + " is neither empty nor complete: " + join(missing, "; "),
        "run the migrations of the library (polypixel-memoir-core 0.4.0 or later) first: memoird does not "
        "change its tables");
}

// What one transaction brings, in order.
std::vector<std::string> transactional_plan(const Inventory& found, const std::string& schema,
                                            const ApplyOptions& options) {
    std::vector<std::string> plan;
    if (!found.has_any_fixed_table()) {
        plan = contract_ddl(schema);
        // Asks for CREATE on the database even where the schema is there.
        if (found.schema_exists) plan.erase(plan.begin());
        for (const auto& index : our_indexes()) plan.push_back(index.create_sql(schema, false));
    }
    for (const auto& table : our_tables())
        if (!found.has_table(table.name)) plan.push_back(table.create_sql(schema));
    for (const auto& column : our_columns())
        if (found.has_table(column.table) && !(found.additions.*column.present))
            plan.push_back(column.create_sql(schema));
    if (!found.additions.settings) plan.push_back(settings_sql(schema));
    if (options.notify && (!found.notify_trigger || found.additions.notify_serial))
        plan.push_back(notify_function_ddl(schema));
    if (options.notify && !found.notify_trigger)  // a disabled one is somebody's wish
        plan.push_back(notify_trigger_ddl(schema));
    return plan;
}

std::vector<const Index*> indexes_to_build(const Inventory& found) {
    std::vector<const Index*> missing;
    if (found.has_any_fixed_table())
        for (const auto& index : our_indexes())
            if (!(found.additions.*index.present)) missing.push_back(&index);
    return missing;
}

std::string drop_index(const std::string& schema, std::string_view name) {
    return "drop index concurrently if exists " + pg::qualified(schema, name);
}

// One line a statement: its beginning.
std::string headline(const std::string& sql) {
    constexpr std::size_t longest = 100;
    auto first = sql.substr(0, sql.find('\n'));
    if (first.ends_with(" (")) first.resize(first.size() - 2);
    return first.size() <= longest ? first : first.substr(0, longest) + " …";
}

// Statements that refuse to run inside a transaction; so their limits are session settings, taken back after.
class Session {
  public:
    Session(pg::Connection& connection, const ApplyOptions& options) : connection_(connection) {
        connection_.set_timeout(std::chrono::hours(24));
        // A build takes as long as the queue is long.
        connection_.exec("set statement_timeout = 0");
        connection_.exec("set lock_timeout = " + std::to_string(options.lock_timeout.count()));
    }
    ~Session() {
        connection_.set_timeout(Milliseconds(0));
        if (connection_.broken()) return;
        try {
            connection_.exec("reset lock_timeout");
            connection_.exec("reset statement_timeout");
        } catch (const pg::Error&) {  // the connection's next user finds it broken
        }
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

  private:
    pg::Connection& connection_;
};

// Only one apply or remove at a time. The lock is a transaction's on a connection of its own: a second
// session that waited inside CREATE INDEX CONCURRENTLY would hold a snapshot that the first one's build waits
// for, and a lock of the session would stay behind in a transaction pooler. An idle transaction holds no
// snapshot.
class Turn {
  public:
    Turn(pg::Connection& connection, const std::string& schema, const Say& say)
        : connection_(connection.another()) {
        for (bool waiting = false;; waiting = true) {
            transaction_.emplace(*connection_, pg::Transaction::Durability::off);
            const auto lock = transaction_->exec(
                "select pg_try_advisory_xact_lock(hashtext('memoird schema'), hashtext($1))",
                pg::Params().add(schema));
            // This statement also ends the last one's portal, and with it the snapshot that builds wait for.
            transaction_->exec("set local idle_in_transaction_session_timeout = 0");
            if (lock.boolean(0, 0)) return;
            transaction_.reset();
            if (!waiting) say("another memoirctl is changing this schema; waiting for it");
            std::this_thread::sleep_for(yield_after / 5);
        }
    }

  private:
    std::unique_ptr<pg::Connection> connection_;
    std::optional<pg::Transaction> transaction_;
};

// Whoever builds the index now, an operator by hand say, holds the table's lock from before the index is
// there until it is valid: under that lock an invalid one is a leftover.
void drop_leftover(pg::Connection& connection, const std::string& schema, const Index& index,
                   const Say& say) {
    pg::Transaction transaction(connection, pg::Transaction::Durability::on, Milliseconds(0));
    transaction.exec("lock table " + pg::qualified(schema, index.table) + " in share update exclusive mode");
    if (!take_inventory(connection, schema).invalid_indexes.contains(std::string(index.name))) return;
    transaction.exec("set local lock_timeout = " + std::to_string(yield_after.count()));
    transaction.exec("drop index " + pg::qualified(schema, index.name));
    transaction.commit();
    say("drop " + std::string(index.name) + ", which an interrupted build left invalid");
}

void build_index(pg::Connection& connection, const std::string& schema, const Index& index,
                 const ApplyOptions& options, const Say& say) {
    with_patience(options.lock_timeout, options.lock_patience, [&] {
        const Session session(connection, options);
        drop_leftover(connection, schema, index, say);
        if (take_inventory(connection, schema).additions.*index.present) return;
        const auto sql = index.create_sql(schema, true);
        say(sql);
        connection.exec(sql);
    });
    if (!(take_inventory(connection, schema).additions.*index.present))
        throw StartError("the index " + std::string(index.name) + " exists but is not valid",
                         "run memoirctl schema apply again: it drops and rebuilds the index");
}

}  // namespace

void apply(pg::Connection& connection, const std::string& schema, const ApplyOptions& options,
           const Say& say) {
    if (options.dry_run) {
        const auto found = take_inventory(connection, schema);
        require_complete_or_absent(found, schema);
        for (const auto& name : found.invalid_indexes) say(drop_index(schema, name) + ";");
        for (const auto& statement : transactional_plan(found, schema, options)) say(statement + ";");
        for (const auto* index : indexes_to_build(found)) say(index->create_sql(schema, true) + ";");
        return;
    }
    require_valid_name(schema);
    const Turn turn(connection, schema, say);
    std::vector<std::string> done;
    in_transaction(connection, options, [&](pg::Transaction& transaction) {
        const auto found = take_inventory(connection, schema);
        require_complete_or_absent(found, schema);
        done = transactional_plan(found, schema, options);
        for (const auto& statement : done) transaction.exec(statement);
    });
    for (const auto& statement : done) say(headline(statement));
    for (const auto* index : indexes_to_build(take_inventory(connection, schema)))
        build_index(connection, schema, *index, options, say);
}

void remove(pg::Connection& connection, const std::string& schema, const ApplyOptions& options,
            const Say& say) {
    const auto plan = [&](const Inventory& found) {
        std::vector<std::string> statements;
        if (found.notify_trigger)
            statements.push_back("drop trigger if exists memoird_notify on " +
                                 pg::qualified(schema, "memory_jobs"));
        if (found.notify_function)
            statements.push_back("drop function if exists " + pg::qualified(schema, notify_name) + "()");
        for (const auto& table : our_tables())
            if (found.has_table(table.name))
                statements.push_back("drop table if exists " + pg::qualified(schema, table.name));
        return statements;
    };
    const auto is_there = [](const Inventory& found, const Index& index) {
        return found.additions.*index.present || found.invalid_indexes.contains(std::string(index.name));
    };
    if (options.dry_run) {
        const auto found = take_inventory(connection, schema);
        for (const auto& statement : plan(found)) say(statement + ";");
        for (const auto& index : our_indexes())
            if (is_there(found, index)) say(drop_index(schema, index.name) + ";");
        return;
    }
    const Turn turn(connection, schema, say);
    const auto found = take_inventory(connection, schema);
    std::vector<std::string> done;
    in_transaction(connection, options, [&](pg::Transaction& transaction) {
        done = plan(take_inventory(connection, schema));
        for (const auto& statement : done) transaction.exec(statement);
    });
    for (const auto& statement : done) say(headline(statement));
    for (const auto& index : our_indexes())
        if (is_there(found, index))
            with_patience(options.lock_timeout, options.lock_patience, [&] {
                const Session session(connection, options);
                const auto sql = drop_index(schema, index.name);
                say(sql);
                connection.exec(sql);
            });
}

}  // namespace memoir::schema
