#include <unistd.h>

#include <atomic>

#include "base/random_id.hpp"
#include "schema/schema.hpp"
#include "support/postgres.hpp"

namespace memoir::test {
namespace {

std::string fresh_name() {
    static std::atomic<int> count{0};
    return "t_" + std::to_string(getpid()) + "_" + std::to_string(++count);
}

}  // namespace

TestSchema::TestSchema(With with, Cluster& cluster) : cluster_(cluster), name_(fresh_name()) {
    connection_ = connect();
    if (with == With::contract)
        for (const auto& statement : schema::contract_ddl(name_)) connection_->exec(statement);
    if (with == With::all) schema::apply(*connection_, name_, {}, [](const std::string&) {});
}

TestSchema::~TestSchema() {
    try {
        // A test may have broken the connection, or restarted the server.
        if (!connection_->reusable()) connection_ = connect();
        connection_->exec("set client_min_messages = warning");
        connection_->exec("drop schema if exists " + name_ + " cascade");
    } catch (const pg::Error&) {
        // The cluster goes with the test program.
    }
}

const std::string& TestSchema::name() const {
    return name_;
}

pg::ConnectOptions TestSchema::options() const {
    pg::ConnectOptions options;
    options.conninfo = cluster_.url();
    options.application_name = name_;
    return options;
}

pg::Options TestSchema::database() const {
    pg::Options options;
    options.url = Secret(cluster_.url());
    options.schema = name_;
    return options;
}

std::unique_ptr<pg::Connection> TestSchema::connect() const {
    return pg::Connection::connect(options());
}

pg::Result TestSchema::sql(const std::string& text, const pg::Params& params) {
    constexpr std::string_view placeholder = "$schema";
    std::string named = text;
    for (auto at = named.find(placeholder); at != std::string::npos; at = named.find(placeholder, at))
        named.replace(at, placeholder.size(), name_);
    if (connection_->broken()) connection_ = connect();
    return connection_->exec(named, params);
}

std::int64_t TestSchema::number(const std::string& text, const pg::Params& params) {
    return sql(text, params).integer(0, 0);
}

std::string TestSchema::value(const std::string& text, const pg::Params& params) {
    return sql(text, params).string(0, 0);
}

std::string TestSchema::memory(const std::string& content, const std::string& kind) {
    const auto pid = random_pid();
    sql("insert into $schema.memories (pid, agent_id, org_id, user_id, content, kind) "
        "values ($1, 'a', 'o', 'u', $2, $3)",
        pg::Params().add(pid).add(content).add(kind));
    return pid;
}

std::int64_t TestSchema::job(const std::string& source_pid, const std::string& kind,
                             const std::string& payload) {
    return number(
        "insert into $schema.memory_jobs (source_pid, kind, payload) values ($1, $2, $3::jsonb) returning id",
        pg::Params().add(source_pid).add(kind).add(payload));
}

}  // namespace memoir::test
