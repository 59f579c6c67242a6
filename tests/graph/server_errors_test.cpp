// The table of what Redis and FalkorDB say.
#include "graph/server_errors.hpp"

#include <catch2/catch.hpp>

using namespace memoir;
using graph::read_error;
using graph::to_failure;

TEST_CASE("each error text that is known has its type; an unknown one is ambiguous") {
    const auto [text, type] = GENERATE(table<std::string, FailureType>({
        {"LOADING Redis is loading the dataset in memory", FailureType::outage},
        {"BUSY Redis is busy running a script. You can only call SCRIPT KILL", FailureType::outage},
        {"OOM command not allowed when used memory > 'maxmemory'.", FailureType::outage},
        {"READONLY You can't write against a read only replica.", FailureType::outage},
        {"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
         FailureType::outage},
        {"CLUSTERDOWN The cluster is down", FailureType::outage},
        {"TRYAGAIN Multiple keys request during rehashing of slot", FailureType::outage},
        {"MISCONF Errors writing to the AOF file: No space left on device", FailureType::outage},
        {"NOREPLICAS Not enough good replicas to write.", FailureType::outage},
        {"UNBLOCKED force unblock from blocking operation, instance state changed", FailureType::outage},
        {"INPROG Failover already in progress", FailureType::outage},
        {"NOMASTERLINK Can't SYNC while failing over", FailureType::outage},
        {"IOERR error or timeout writing to target instance", FailureType::outage},
        {"ERR max number of clients reached", FailureType::outage},
        {"Encountered different graph value when opened key memoir", FailureType::outage},
        {"Max pending queries exceeded", FailureType::throttled},
        {"ERR Max pending queries exceeded", FailureType::throttled},
        {"NOAUTH Authentication required.", FailureType::blocked},
        {"WRONGPASS invalid username-password pair or user is disabled.", FailureType::blocked},
        {"NOPERM User ann has no permissions to run the 'graph.query' command", FailureType::blocked},
        {"ERR operation not permitted", FailureType::blocked},
        {"ERR invalid password", FailureType::blocked},
        {"ERR AUTH <password> called without any password configured", FailureType::blocked},
        {"ERR Client sent AUTH, but no password is set", FailureType::blocked},
        {"ERR wrong number of arguments for 'auth' command", FailureType::blocked},
        {"DENIED Redis is running in protected mode", FailureType::blocked},
        {"ERR unknown command 'GRAPH.QUERY', with args beginning with: ", FailureType::blocked},
        {"MOVED 3999 127.0.0.1:6381", FailureType::blocked},
        {"ASK 3999 127.0.0.1:6381", FailureType::blocked},
        {"CROSSSLOT Keys in request don't hash to the same slot", FailureType::blocked},
        {"WRONGTYPE Operation against a key holding the wrong kind of value", FailureType::blocked},
        {"Encountered a non-graph value type when opened key memoir", FailureType::blocked},
        {"Query timed out", FailureType::ambiguous},
        {"Query's mem consumption exceeded capacity", FailureType::ambiguous},
        {"Invalid UTF8 string", FailureType::permanent},
        {"String overflow", FailureType::permanent},
        {"Property values can only be of primitive types or arrays of primitive types",
         FailureType::permanent},
        {"errMsg: Invalid input 'N' line: 1, column: 1, offset: 0", FailureType::job},
        {"unique constraint violation on node of type Entity", FailureType::job},
        {"mandatory constraint violation: node with label Entity missing property x", FailureType::job},
        {"Attribute 'name' is already indexed", FailureType::job},
        {"Index already exists", FailureType::job},
        {"", FailureType::ambiguous},
        {"ERR something that no release has said yet", FailureType::ambiguous},
        {"a memory that mentions: Query timed out", FailureType::ambiguous},
    }));
    CAPTURE(text);
    const auto failure = to_failure(read_error(text));
    CHECK(failure.type() == type);
    CHECK((type != FailureType::blocked || !failure.hint.empty()));
}

TEST_CASE("no row hides another, and a reason holds nothing that the server said") {
    for (const auto& row : graph::error_rows()) {
        CAPTURE(row.text);
        const auto error = read_error(std::string(row.text) + "SECRET");
        CHECK(error.known == &row);
        CHECK(to_failure(error).reason().find("SECRET") == std::string::npos);
    }
    CHECK(to_failure(read_error("SECRET")).reason().find("SECRET") == std::string::npos);
}

TEST_CASE("an error that answers AUTH is the credentials' fault, unless the server is away") {
    CHECK(to_login_failure(read_error("LOADING x")).type() == FailureType::outage);
    for (const char* text : {"WRONGPASS x", "ERR AUTH x", "ERR something new", "errMsg: x"}) {
        const auto failure = to_login_failure(read_error(text));
        CHECK(failure.type() == FailureType::blocked);
        CHECK(failure.hint.find("graph.password_file") != std::string::npos);
    }
}
