#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <thread>

#include "schema/additions.hpp"
#include "schema/contract.hpp"
#include "schema/inventory.hpp"
#include "support/postgres.hpp"

using namespace memoir;
using test::TestSchema;
using With = test::TestSchema::With;

namespace {

const auto silent = [](const std::string&) {};

std::vector<std::string> apply(TestSchema& schema, const schema::ApplyOptions& options = {}) {
    std::vector<std::string> steps;
    schema::apply(*schema.connect(), schema.name(), options,
                  [&](const std::string& step) { steps.push_back(step); });
    return steps;
}

// Everything that the catalogue says about the schema's fixed part (or all of it), one line an object, with
// the schema's name taken out.
std::set<std::string> listing(TestSchema& schema, bool ours = false) {
    const char* queries[] = {
        "select concat_ws(' ', 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), "
        "a.attnotnull, pg_get_expr(d.adbin, d.adrelid)) from pg_class c join pg_attribute a on a.attrelid = "
        "c.oid and a.attnum > 0 left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum "
        "where c.relnamespace = $1::regnamespace and c.relkind = 'r' and not a.attisdropped",
        "select concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid)) "
        "from pg_constraint where connamespace = $1::regnamespace",
        "select concat_ws(' ', 'index', i.indrelid::regclass, pg_get_indexdef(i.indexrelid), i.indisvalid) "
        "from pg_index i join pg_class c on c.oid = i.indexrelid where c.relnamespace = $1::regnamespace",
        "select concat_ws(' ', 'trigger', pg_get_triggerdef(t.oid)) from pg_trigger t join pg_class c "
        "on c.oid = t.tgrelid where c.relnamespace = $1::regnamespace and not t.tgisinternal",
        "select concat_ws(' ', 'function', proname, prorettype::regtype, prosecdef, provolatile) from "
        "pg_proc "
        "where pronamespace = $1::regnamespace",
        "select concat_ws(' ', 'sequence', c.relname, s.seqtypid::regtype) from pg_sequence s join pg_class "
        "c "
        "on c.oid = s.seqrelid where c.relnamespace = $1::regnamespace",
    };
    std::set<std::string> lines;
    for (const auto* query : queries) {
        const auto rows = schema.sql(query, pg::Params().add(schema.name()));
        for (int row = 0; row < rows.rows(); ++row) {
            auto line = rows.string(row, 0);
            for (std::size_t at; (at = line.find(schema.name() + ".")) != std::string::npos;)
                line.erase(at, schema.name().size() + 1);
            if (ours || line.find("memoird_") == std::string::npos) lines.insert(line);
        }
    }
    return lines;
}

// The schema as other programs' migrations leave it, from a file with one statement after the other.
void create_library_schema(TestSchema& schema) {
    std::ifstream file(TEST_DATA_DIR "/library_schema.sql");
    const auto connection = schema.connect();
    connection->exec("create schema " + schema.name());
    connection->exec("select set_config('search_path', $1, false)", pg::Params().add(schema.name()));
    std::string statement;
    bool body = false;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("--")) continue;
        statement += line + "\n";
        for (auto at = line.find("$$"); at != std::string::npos; at = line.find("$$", at + 2)) body = !body;
        if (body || !line.ends_with(';')) continue;
        connection->exec(statement);
        statement.clear();
    }
}

bool complete(const schema::Additions& a) {
    return a.pending_index && a.source_index && a.failed_index && a.parked_index && a.user_index &&
           a.vectors && a.replies && a.pauses && a.hosts && a.duties && a.settings && a.draining_since &&
           a.notify && !a.notify_serial;
}

schema::Additions check(TestSchema& schema) {
    return schema::check(*schema.connect(), schema.name());
}

schema::ApplyOptions dry() {
    schema::ApplyOptions options;
    options.dry_run = true;
    return options;
}

}  // namespace

TEST_CASE("creates the schema that the library's migrations leave") {
    TestSchema library(With::nothing), ours(With::nothing);
    create_library_schema(library);
    apply(ours);
    const auto expected = listing(library);
    CHECK(expected.size() > 60);
    CHECK(listing(ours) == expected);
}

TEST_CASE("fills the ledger with the eleven versions, in order and nothing else") {
    TestSchema schema(With::nothing);
    apply(schema);
    const auto rows = schema.sql(
        "select version, applied_at between extract(epoch from now())::bigint - 60 and "
        "extract(epoch from now())::bigint + 60 from $schema.memoir_core_migrations order by version");
    REQUIRE(rows.rows() == 11);
    for (int row = 0; row < 11; ++row) {
        CHECK(rows.string(row, 0) == schema::migrations()[static_cast<std::size_t>(row)]);
        CHECK(rows.boolean(row, 1));
    }
}

TEST_CASE("adds everything of ours to a new schema and to the library's") {
    const auto start = GENERATE(With::nothing, With::contract);
    TestSchema schema(start);
    apply(schema);
    const auto additions = check(schema);
    CHECK(complete(additions));
    CHECK(schema::advice(additions).empty());
    // The two ways to build an index end the same.
    const auto all = listing(schema, true);
    const std::string index = "index memory_jobs CREATE INDEX memoird_jobs_";
    const std::string on = " ON memory_jobs USING btree ";
    CHECK(all.contains(index + "pending_idx" + on +
                       "(kind, created_at, id) WHERE (state = 'pending'::text) t"));
    CHECK(all.contains(index + "source_idx" + on + "(source_pid) t"));
    CHECK(all.contains(index + "failed_idx" + on + "(kind, updated_at) WHERE (state = 'failed'::text) t"));
    CHECK(all.contains(
        "index memories CREATE INDEX memoird_memories_user_idx ON memories USING btree (user_id, agent_id, "
        "org_id) t"));
}

TEST_CASE("has nothing to do the second time") {
    TestSchema schema(With::contract);
    CHECK(apply(schema).size() > 3);
    const auto before = listing(schema, true);
    CHECK(apply(schema).empty());
    CHECK(listing(schema, true) == before);
}

TEST_CASE("leaves the library's part of the schema as it is") {
    TestSchema schema(With::nothing);
    create_library_schema(schema);
    const auto before = listing(schema);
    apply(schema);
    CHECK(listing(schema) == before);
}

TEST_CASE("several applies at once end with one complete schema") {
    const auto start = GENERATE(With::nothing, With::contract);
    for (int round = 0; round < 5; ++round) {
        TestSchema schema(start);
        std::vector<std::string> errors(3);
        {
            std::vector<std::jthread> threads;
            for (auto& error : errors)
                threads.emplace_back([&schema, &error] {
                    try {
                        schema::apply(*schema.connect(), schema.name(), {}, silent);
                    } catch (const std::exception& failure) {
                        error = failure.what();
                    }
                });
        }
        for (const auto& error : errors) CHECK(error == "");
        CHECK(complete(check(schema)));
        CHECK(schema.number("select count(*) from $schema.memoir_core_migrations") == 11);
    }
}

TEST_CASE("drops the invalid leftover of a build that was interrupted, and builds it anew") {
    TestSchema schema(With::contract);
    schema.job(schema.memory("one"), "embed");
    schema.job(schema.memory("two"), "embed");
    // A unique build over equal values fails half way, as one that is killed does.
    CHECK_THROWS_AS(schema.sql("create unique index concurrently memoird_jobs_source_idx on "
                               "$schema.memory_jobs (state)"),
                    pg::Error);
    CHECK_FALSE(check(schema).source_index);
    const auto steps = apply(schema);
    CHECK(std::count(steps.begin(), steps.end(),
                     "drop memoird_jobs_source_idx, which an interrupted build left invalid") == 1);
    CHECK(complete(check(schema)));
    CHECK(listing(schema, true)
              .contains("index memory_jobs CREATE INDEX memoird_jobs_source_idx ON "
                        "memory_jobs USING btree (source_pid) t"));
}

TEST_CASE("gives up with a HINT while a transaction holds the table, and changes nothing") {
    TestSchema schema(With::contract);
    const auto before = listing(schema, true);
    const auto other = schema.connect();
    pg::Transaction holder(*other, pg::Transaction::Durability::off);
    holder.exec("lock table " + schema.name() + ".memory_jobs in share mode");
    schema::ApplyOptions options;
    options.lock_patience = Milliseconds(1);
    try {
        apply(schema, options);
        FAIL("it should have given up");
    } catch (const pg::Error& error) {
        CHECK(error.error_class() == pg::ErrorClass::transaction);
        CHECK(std::string(error.what()).find("HINT: another transaction holds the lock") !=
              std::string::npos);
    }
    holder.commit();
    CHECK(listing(schema, true) == before);
    apply(schema);
    CHECK(complete(check(schema)));
}

TEST_CASE("an index build that met an open transaction is cleared away by the next apply") {
    TestSchema schema(With::contract);
    const auto other = schema.connect();
    pg::Transaction writer(*other, pg::Transaction::Durability::off);
    writer.exec("delete from " + schema.name() + ".memory_jobs");  // holds the table as every writer does
    schema::ApplyOptions options;
    options.notify = false;  // tables of ours refer to memories, so the index alone meets the writer
    options.lock_timeout = options.lock_patience = Milliseconds(100);
    CHECK_THROWS_AS(apply(schema, options), pg::Error);
    CHECK(schema::take_inventory(*schema.connect(), schema.name()).invalid_indexes.size() == 1);
    writer.commit();
    apply(schema);
    CHECK(complete(check(schema)));
}

TEST_CASE("refuses to add to a schema of an older library, and names what is missing") {
    TestSchema schema(With::contract);
    schema.sql("alter table $schema.memories drop column retirement_reason");
    schema.sql("drop table $schema.graph_triple_staging");
    const auto before = listing(schema, true);
    try {
        apply(schema);
        FAIL("it should have refused");
    } catch (const StartError& error) {
        CHECK(error.problem().find("no column memories.retirement_reason, which the library's migration "
                                   "m20000000_000006_add_confidence_category_retirement creates") !=
              std::string::npos);
        CHECK(error.problem().find("no table graph_triple_staging") != std::string::npos);
        CHECK(error.hint().find("migrations of the library") != std::string::npos);
    }
    CHECK(listing(schema, true) == before);
}

TEST_CASE("does not create the tables beside a ledger that says they were there") {
    TestSchema schema(With::contract);
    schema.sql(
        "drop table $schema.graph_triple_staging, $schema.supersession_events, $schema.memory_jobs, "
        "$schema.memories");
    CHECK_THROWS_AS(apply(schema), StartError);
}

TEST_CASE("a dry run prints the SQL that would run, and runs none of it") {
    const auto start = GENERATE(With::nothing, With::contract);
    TestSchema schema(start);
    const bool exists = start == With::contract;
    const auto statements = apply(schema, dry());
    CHECK(schema.number("select count(*) from pg_namespace where nspname = $1",
                        pg::Params().add(schema.name())) == (exists ? 1 : 0));
    if (exists) CHECK(schema::advice(check(schema)).size() == 12);
    for (const auto& statement : statements) {
        REQUIRE(statement.ends_with(';'));
        schema.sql(statement.substr(0, statement.size() - 1));
    }
    CHECK(complete(check(schema)));
    CHECK(apply(schema, dry()).empty());
}

TEST_CASE("leaves the trigger away without notify, and says what it would gain") {
    TestSchema schema(With::nothing);
    schema::ApplyOptions options;
    options.notify = false;
    apply(schema, options);
    const auto additions = check(schema);
    CHECK_FALSE(additions.notify);
    REQUIRE(schema::advice(additions).size() == 1);
    CHECK(schema::advice(additions)[0].find("memoird_notify") != std::string::npos);
}

TEST_CASE("brings what 0.1.0 created up to this release, and leaves a disabled trigger disabled") {
    TestSchema schema;
    schema.sql("drop table $schema.memoird_duties, $schema.memoird_settings");
    schema.sql("alter table $schema.memoird_hosts drop column draining_since");
    schema.sql("drop index $schema.memoird_jobs_parked_idx");
    schema.sql(
        "create or replace function $schema.memoird_notify() returns trigger language plpgsql as $body$ "
        "begin "
        "perform pg_notify('memoird_$schema', k.kind) from (select distinct kind from added) k; return null; "
        "end $body$");
    schema.sql("alter table $schema.memory_jobs disable trigger memoird_notify");
    const auto before = check(schema);
    CHECK(before.notify_serial);
    CHECK_FALSE(before.notify);
    CHECK(before.hosts);
    CHECK_FALSE(before.draining_since);
    CHECK(schema::advice(before).size() == 6);
    apply(schema);
    CHECK_FALSE(check(schema).notify);
    CHECK_FALSE(check(schema).notify_serial);
    schema.sql("alter table $schema.memory_jobs enable trigger memoird_notify");
    CHECK(complete(check(schema)));
    CHECK(apply(schema, dry()).empty());
}

TEST_CASE("a release that the others cannot work beside is refused") {
    TestSchema schema;
    CHECK(check(schema).lowest_protocol == 1);
    schema::require_protocol(check(schema));
    schema.sql("update $schema.memoird_settings set value = $1", pg::Params().add(schema::protocol + 1));
    CHECK_THROWS_AS(schema::require_protocol(check(schema)), StartError);
    schema.sql("update $schema.memoird_settings set value = 'nonsense'");
    schema::require_protocol(check(schema));
}

TEST_CASE("of those that insert at the same time one notifies, and none waits for another") {
    TestSchema schema;
    const auto pid = schema.memory("hello");
    const auto listener = schema.connect(), first = schema.connect(), second = schema.connect();
    listener->exec("listen " + schema::channel(schema.name()));
    const auto insert = [&](pg::Connection& writer, const std::string& kind) {
        writer.exec("insert into " + schema.name() + ".memory_jobs (source_pid, kind) values ($1, $2)",
                    pg::Params().add(pid).add(kind));
    };
    first->exec("begin");
    second->exec("begin");
    insert(*first, "embed");
    insert(*second, "embed");
    insert(*second, "extract");
    second->exec("commit");
    first->exec("commit");
    insert(*second, "categorize");
    std::vector<std::string> heard;
    while (heard.empty() || heard.back() != "categorize") {
        REQUIRE(listener->wait_readable(Steady::now() + std::chrono::seconds(10), {}) ==
                pg::Waiter::Woken::ready);
        for (const auto& notification : listener->notifications()) heard.push_back(notification.payload);
    }
    // The second left the wake for `embed` to the first.
    CHECK(heard == std::vector<std::string>{"extract", "embed", "categorize"});
}

TEST_CASE("notifies once a statement and kind") {
    TestSchema schema;
    const auto pid = schema.memory("hello");
    const auto listener = schema.connect(), writer = schema.connect();
    listener->exec("listen " + schema::channel(schema.name()));
    const auto heard = [&](std::size_t at_least) {
        std::multiset<std::string> payloads;
        const auto end = Steady::now() + std::chrono::seconds(10);
        while (payloads.size() < at_least && Steady::now() < end) {
            listener->wait_readable(end, {});
            for (const auto& notification : listener->notifications()) {
                CHECK(notification.channel == "memoird_" + schema.name());
                payloads.insert(notification.payload);
            }
        }
        return payloads;
    };
    writer->exec("insert into " + schema.name() +
                     ".memory_jobs (source_pid, kind) select $1, k from generate_series(1, 100), "
                     "unnest(array['embed', 'extract']) k",
                 pg::Params().add(pid));
    CHECK(heard(2) == std::multiset<std::string>{"embed", "extract"});
    // An update is no new job: what comes next is the next insert's, alone.
    writer->exec("update " + schema.name() + ".memory_jobs set attempts = 1");
    schema.job(pid, "categorize");
    CHECK(heard(1) == std::multiset<std::string>{"categorize"});
}

TEST_CASE("names that SQL reserves and names of 63 bytes are schema names like others") {
    const std::string name = GENERATE(std::string("order"), std::string(63, 'x'));
    TestSchema any(With::nothing);
    const auto connection = any.connect();
    schema::apply(*connection, name, {}, silent);
    CHECK(complete(schema::check(*connection, name)));
    // The channel is within what Postgres takes, or each insert of a writer would fail.
    const std::string quoted = "\"" + name + "\"";
    connection->exec("insert into " + quoted +
                     ".memories (pid, agent_id, org_id, user_id, content) values ('p', 'a', 'o', 'u', 'c')");
    connection->exec("insert into " + quoted + ".memory_jobs (source_pid, kind) values ('p', 'embed')");
    schema::remove(*connection, name, {}, silent);
    connection->exec("drop schema " + quoted + " cascade");
}

TEST_CASE("refuses a name that is none before it reaches SQL") {
    TestSchema any(With::nothing);
    const auto connection = any.connect();
    for (const std::string name : {"", "Memoir", "me moir", "1a", "a;b", "a\"b", "m\xc3\xa9moire"}) {
        CHECK_THROWS_AS(schema::check(*connection, name), StartError);
        CHECK_THROWS_AS(schema::apply(*connection, name, {}, silent), StartError);
        CHECK_THROWS_AS(schema::grants(name, "r"), StartError);
    }
    CHECK_THROWS_AS(schema::require_valid_name(std::string(64, 'x')), StartError);
}

TEST_CASE("remove takes away what is ours, and nothing else") {
    TestSchema schema(With::nothing);
    create_library_schema(schema);
    const auto before = listing(schema, true);
    apply(schema);
    schema.job(schema.memory("hello"), "embed");
    schema::remove(*schema.connect(), schema.name(), dry(), silent);
    CHECK(complete(check(schema)));

    std::vector<std::string> steps;
    const auto say = [&](const std::string& step) { steps.push_back(step); };
    schema::remove(*schema.connect(), schema.name(), {}, say);
    CHECK(steps.size() == 13);
    CHECK(listing(schema, true) == before);
    CHECK(schema.number("select count(*) from $schema.memory_jobs") == 1);
    steps.clear();
    schema::remove(*schema.connect(), schema.name(), {}, say);
    CHECK(steps.empty());
}

TEST_CASE("a supersession works without the schema in the search_path") {
    TestSchema schema;
    const auto loser = schema.memory("old"), winner = schema.memory("new");
    schema.sql("insert into $schema.supersession_events (loser_pid, winner_pid) values ($1, $2)",
               pg::Params().add(loser).add(winner));
    CHECK(schema.value("select superseded_by from $schema.memories where pid = $1",
                       pg::Params().add(loser)) == winner);
    schema.sql("insert into $schema.supersession_events (loser_pid, winner_pid) values ($1, null)",
               pg::Params().add(loser));
    CHECK(schema.number("select count(*) from $schema.memories where superseded_by is not null") == 0);
}
