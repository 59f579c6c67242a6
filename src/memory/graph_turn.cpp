#include "memory/graph_turn.hpp"

namespace memoir::memory {

bool take_graph_turn(pg::Transaction& transaction, const std::string& graph, const Scope& scope) {
    // Older versions take the same lock: the name stays as it is.
    const auto name =
        "memoird graph " + graph + "\n" + scope.agent_id + "\n" + scope.org_id + "\n" + scope.user_id;
    return transaction
        .exec("select pg_try_advisory_xact_lock(hashtextextended($1, 0))", pg::Params().add(name))
        .boolean(0, 0);
}

void check_graph_turn(pg::Transaction& transaction) {
    transaction.exec("select 1");
}

}  // namespace memoir::memory
