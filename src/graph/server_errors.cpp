#include "graph/server_errors.hpp"

#include <algorithm>
#include <array>

namespace memoir::graph {
namespace {

using enum FailureType;

constexpr std::string_view login = "check graph.user and graph.password_file, and what that user may do";
constexpr std::string_view one_node =
    "graph.url has to name the node that holds the graph: memoird does not follow a cluster's redirections";
constexpr std::string_view other_key = "graph.name has to name a graph, or a key that does not exist";
constexpr std::string_view memory = "the server's maxmemory is used up: raise it, or make room";

// Redis 7 and 8 by the first word, FalkorDB 4 by the text; of two rows that fit the first one counts.
constexpr std::array rows{
    // The server as a whole, for a while.
    ErrorRow{"LOADING ", outage, "LOADING: it reads its data", ""},
    ErrorRow{"BUSY ", outage, "BUSY: a script runs", ""},
    ErrorRow{"OOM ", outage, "OOM: out of memory", memory},
    ErrorRow{"READONLY ", outage, "READONLY: it is a replica", "graph.url has to name the primary"},
    ErrorRow{"MASTERDOWN ", outage, "MASTERDOWN: a replica without its primary", ""},
    ErrorRow{"CLUSTERDOWN ", outage, "CLUSTERDOWN: the cluster is down", ""},
    ErrorRow{"TRYAGAIN ", outage, "TRYAGAIN: the slot moves", ""},
    ErrorRow{"MISCONF ", outage, "MISCONF: it cannot write to its disk",
             "see the server's log: its disk may be full"},
    ErrorRow{"NOREPLICAS ", outage, "NOREPLICAS: too few replicas", ""},
    ErrorRow{"UNBLOCKED ", outage, "UNBLOCKED: its role changed", ""},
    ErrorRow{"INPROG ", outage, "INPROG: a failover is under way", ""},
    ErrorRow{"NOMASTERLINK ", outage, "NOMASTERLINK: a failover is under way", ""},
    ErrorRow{"IOERR ", outage, "IOERR: a node cannot be reached", ""},
    ErrorRow{"ERR max number of clients", outage, "it has no connection left",
             "raise the server's maxclients"},
    ErrorRow{"Encountered different graph value", outage, "the graph was replaced", ""},
    // Full for now.
    ErrorRow{"Max pending queries exceeded", throttled, "its queue is full (MAX_QUEUED_QUERIES)", ""},
    ErrorRow{"ERR Max pending queries exceeded", throttled, "its queue is full (MAX_QUEUED_QUERIES)", ""},
    // For a human.
    ErrorRow{"NOAUTH ", blocked, "NOAUTH", login},
    ErrorRow{"WRONGPASS ", blocked, "WRONGPASS", login},
    ErrorRow{"NOPERM ", blocked, "NOPERM", login},
    ErrorRow{"ERR operation not permitted", blocked, "it wants a password", login},
    ErrorRow{"ERR invalid password", blocked, "it refuses the password", login},
    ErrorRow{"ERR AUTH ", blocked, "it has no password configured", login},
    ErrorRow{"ERR Client sent AUTH", blocked, "it has no password configured", login},
    ErrorRow{"ERR wrong number of arguments for 'auth'", blocked, "it knows no users", login},
    ErrorRow{"DENIED ", blocked, "DENIED: protected mode",
             "give the server a password, or let it listen to this host"},
    ErrorRow{"ERR unknown command", blocked, "it is no FalkorDB",
             "graph.url has to name a Redis server with the FalkorDB module loaded"},
    ErrorRow{"MOVED ", blocked, "MOVED: another node holds the graph", one_node},
    ErrorRow{"ASK ", blocked, "ASK: another node holds the graph", one_node},
    ErrorRow{"CROSSSLOT ", blocked, "CROSSSLOT", one_node},
    ErrorRow{"WRONGTYPE ", blocked, "WRONGTYPE: graph.name names something else", other_key},
    ErrorRow{"Encountered a non-graph value type", blocked, "graph.name names something else", other_key},
    // One query's own, or the server's state: another one tells.
    ErrorRow{"Query timed out", ambiguous, "the query took longer than the server's TIMEOUT", ""},
    ErrorRow{"Query's mem consumption exceeded capacity", ambiguous,
             "the query needs more memory than the server's QUERY_MEM_CAPACITY", ""},
    ErrorRow{"Invalid UTF8 string", permanent, "a text is no UTF-8", ""},
    ErrorRow{"String overflow", permanent, "a text is too long", ""},
    ErrorRow{"Property values can only be", permanent, "a value is of no type that it stores", ""},
    ErrorRow{"errMsg:", job, "it does not understand the query", ""},
    ErrorRow{"unique constraint violation", job, "a constraint of the graph is violated", ""},
    ErrorRow{"mandatory constraint violation", job, "a constraint of the graph is violated", ""},
    ErrorRow{"Attribute '", job, "the index exists", ""},
    ErrorRow{"Index already exists", job, "the index exists", ""},
};

std::string said(std::string_view what) {
    return "the graph's server refuses: " + std::string(what);
}

}  // namespace

std::span<const ErrorRow> error_rows() {
    return rows;
}

ServerError read_error(std::string_view text) {
    const auto found =
        std::ranges::find_if(rows, [&](const ErrorRow& row) { return text.starts_with(row.text); });
    return {found == rows.end() ? nullptr : &*found, text.size()};
}

Failure to_failure(const ServerError& error) {
    if (error.known == nullptr)
        return {ambiguous,
                said("an error of " + std::to_string(error.length) + " bytes that memoird does not know")};
    Failure failure(error.known->type, said(error.known->reason));
    failure.hint = error.known->hint;
    return failure;
}

Failure to_login_failure(const ServerError& error) {
    auto failure = to_failure(error);
    if (failure.type() == outage || failure.type() == blocked) return failure;
    Failure refused(blocked, "the graph's server refuses AUTH");
    refused.hint = login;
    return refused;
}

}  // namespace memoir::graph
