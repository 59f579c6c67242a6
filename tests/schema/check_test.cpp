#include <catch2/catch.hpp>

#include "schema/additions.hpp"
#include "schema/contract.hpp"
#include "support/postgres.hpp"

using namespace memoir;
using test::TestSchema;
using With = test::TestSchema::With;

namespace {

// What check() throws; empty texts: nothing.
StartError refusal(pg::Connection& connection, const std::string& schema) {
    try {
        schema::check(connection, schema);
    } catch (const StartError& error) {
        return error;
    }
    return {"", ""};
}

// A role of the cluster, gone with the test.
class Role {
  public:
    explicit Role(TestSchema& schema) : schema_(schema), name_("role_" + schema.name()) {
        schema_.sql("create role " + name_);
    }
    ~Role() {
        schema_.sql("drop owned by " + name_);
        schema_.sql("drop role " + name_);
    }
    Role(const Role&) = delete;
    Role& operator=(const Role&) = delete;
    const std::string& name() const { return name_; }
    std::unique_ptr<pg::Connection> connect() {
        auto connection = schema_.connect();
        connection->exec("set role " + name_);
        return connection;
    }
    void grant_all() {
        for (const auto& statement : schema::grants(schema_.name(), name_)) schema_.sql(statement);
    }

  private:
    TestSchema& schema_;
    std::string name_;
};

}  // namespace

TEST_CASE("names the schema that is not there, and the command that creates it") {
    TestSchema schema(With::nothing);
    const auto error = refusal(*schema.connect(), schema.name());
    CHECK(error.problem() == "schema " + schema.name() + " does not exist");
    CHECK(error.hint().find("memoirctl schema apply") != std::string::npos);
    schema.sql("create schema $schema");
    CHECK(refusal(*schema.connect(), schema.name()).problem() ==
          "schema " + schema.name() + " has no table memories");
}

TEST_CASE("names every column that is missing, and the migration that brings it") {
    TestSchema schema(With::contract);
    const auto connection = schema.connect();
    for (const auto& column : schema::fixed_columns()) {
        pg::Transaction transaction(*connection, pg::Transaction::Durability::off);
        const std::string table(column.table), name(column.name);
        transaction.exec("alter table " + schema.name() + "." + table + " drop column " + name + " cascade");
        const auto problem = refusal(*connection, schema.name()).problem();
        CHECK(problem ==
              "schema " + schema.name() + ": no column " + table + "." + name +
                  ", which the library's migration " +
                  std::string(schema::migrations()[static_cast<std::size_t>(column.migration - 1)]) +
                  " creates");
    }
}

TEST_CASE("names the table that is missing once, not each of its columns") {
    TestSchema schema(With::contract);
    schema.sql("drop table $schema.graph_triple_staging");
    const auto error = refusal(*schema.connect(), schema.name());
    CHECK(error.problem() == "schema " + schema.name() +
                                 ": no table graph_triple_staging, which the library's migration "
                                 "m20000000_000011_create_graph_triple_staging creates");
    CHECK(error.hint().find("migrations of the library") != std::string::npos);
}

TEST_CASE("names a column of another type; varchar does for text") {
    TestSchema schema(With::contract);
    schema.sql(
        "alter table $schema.memories alter column confidence type integer, "
        "alter column content type varchar(4000)");
    CHECK(refusal(*schema.connect(), schema.name()).problem() ==
          "schema " + schema.name() + ": column memories.confidence is integer instead of smallint");
}

TEST_CASE("the printed grants are enough for all that a daemon does, and for memoirctl pause") {
    TestSchema schema;
    Role role(schema);
    role.grant_all();
    const auto connection = role.connect();
    CHECK(refusal(*connection, schema.name()).problem() == "");
    const std::string s = schema.name() + ".";
    for (const std::string statement :
         {"insert into $memories (pid, agent_id, org_id, user_id, content) values ('p', 'a', 'o', 'u', 'c')",
          "insert into $memory_jobs (source_pid, kind) values ('p', 'embed')",
          "select from $memories for no key update", "update $memory_jobs set state = 'claimed'",
          "delete from $memory_jobs", "insert into $graph_triple_staging (source_pid) values ('p')",
          "insert into $memoird_vectors values ('p', 'm', '{1}')",
          "insert into $memoird_replies values ('p', 'extract', 'h', '{}')",
          "insert into $memoird_pauses (kind, paused_by) values ('*', 'me')",
          "insert into $memoird_hosts (nonce, host, pid, version, kinds) values ('n', 'h', 1, 'v', '{}')",
          "delete from $graph_triple_staging", "delete from $memoird_vectors", "delete from $memoird_replies",
          "delete from $memoird_pauses", "delete from $memoird_hosts"}) {
        auto sql = statement;
        sql.replace(sql.find('$'), 1, s);
        CHECK_NOTHROW(connection->exec(sql));
    }
    // No more than that.
    CHECK_THROWS_AS(connection->exec("delete from " + s + "memories"), pg::Error);
    CHECK_THROWS_AS(connection->exec("select from " + s + "memoir_core_migrations"), pg::Error);
}

TEST_CASE("names each privilege that the role lacks, and the role") {
    TestSchema schema;
    Role role(schema);
    const auto lacks = [&](const std::string& object, const std::string& privilege,
                           const std::string& named) {
        role.grant_all();
        schema.sql("revoke " + privilege + " on " + object + " from " + role.name());
        const auto error = refusal(*role.connect(), schema.name());
        CHECK(error.problem() == "schema " + schema.name() + ": role " + role.name() + " lacks " + named);
        CHECK(error.hint().find("memoirctl schema grants " + role.name()) != std::string::npos);
    };
    const auto table_lacks = [&](const std::string& table, std::string_view privileges) {
        for (const auto& privilege : schema::split_privileges(privileges))
            lacks("$schema." + table, privilege, privilege + " on " + table);
    };
    for (const auto& need : schema::fixed_needs()) {
        const std::string table(need.table);
        table_lacks(table, need.privileges);
        if (need.sequence)
            lacks("sequence $schema." + table + "_id_seq", "usage", "usage on sequence " + table + "_id_seq");
    }
    for (const auto& table : schema::our_tables()) table_lacks(std::string(table.name), table.privileges);
    lacks("schema $schema", "usage", "usage on schema " + schema.name());
}

TEST_CASE("names all that a role without any grant lacks at once") {
    TestSchema schema(With::contract);
    Role role(schema);
    schema.sql("grant usage on schema $schema to " + role.name());
    const auto problem = refusal(*role.connect(), schema.name()).problem();
    for (const auto* part : {"select on memories", "delete on memory_jobs", "insert on graph_triple_staging",
                             "usage on sequence memory_jobs_id_seq"})
        CHECK(problem.find(part) != std::string::npos);
}

TEST_CASE("names a read-only role") {
    TestSchema schema;
    const auto connection = schema.connect();
    connection->exec("set default_transaction_read_only = on");
    const auto error = refusal(*connection, schema.name());
    CHECK(error.problem() == "role postgres cannot write: its transactions are read-only by default");
    CHECK(error.hint().find("default_transaction_read_only") != std::string::npos);
}

TEST_CASE("a role's name is quoted in the grants, whatever it holds") {
    CHECK(schema::grants("memoir", "my \"role\"")[0] ==
          "grant usage on schema \"memoir\" to \"my \"\"role\"\"\"");
}

TEST_CASE("a newer library's column is no hindrance") {
    TestSchema schema(With::contract);
    schema.sql("alter table $schema.memory_jobs add column priority int");
    CHECK(refusal(*schema.connect(), schema.name()).problem() == "");
}
