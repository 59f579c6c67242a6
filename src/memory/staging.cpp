#include "memory/staging.hpp"

#include "pg/name.hpp"

namespace memoir::memory {

bool any_staged(pg::Connection& connection, const std::string& schema) {
    return !connection.exec("select from " + pg::qualified(schema, "graph_triple_staging") + " limit 1")
                .empty();
}

}  // namespace memoir::memory
