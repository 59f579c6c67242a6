#include "vector/make_index.hpp"

#include "vector/postgres_index.hpp"
#include "vector/qdrant.hpp"

namespace memoir::vector {

std::unique_ptr<Index> make_index(const Options& options, int dimension, const std::string& model,
                                  const std::string& schema, pg::Pool& pool, http::Client& client,
                                  telemetry::Log& log) {
    if (options.backend == "qdrant") return std::make_unique<QdrantIndex>(options, dimension, client, log);
    if (options.backend == "postgres") return std::make_unique<PostgresIndex>(pool, schema, model, dimension);
    throw StartError("vector.backend is neither qdrant nor postgres", "set vector.backend to one of them");
}

}  // namespace memoir::vector
