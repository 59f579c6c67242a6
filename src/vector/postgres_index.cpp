#include "vector/postgres_index.hpp"

#include "pg/name.hpp"
#include "vector/real_array.hpp"
#include "vector/similarity.hpp"

namespace memoir::vector {
namespace {

// Rows a round trip: 3 MB of vectors of 384 numbers on the wire.
constexpr int fetched_rows = 500;
constexpr int page_rows = 1000;

void throw_if_stopped(const std::stop_token& stop) {
    if (stop.stop_requested()) throw Failure(FailureType::cancelled, "cancelled");
}

StartError misfit(const std::string& table, const std::string& model, std::int64_t dimension,
                  const std::string& wanted_model, int wanted_dimension) {
    return StartError(table + " holds vectors of " + std::to_string(dimension) + " dimensions by " + model +
                          ", the configured embedder makes " + std::to_string(wanted_dimension) + " by " +
                          wanted_model,
                      "set embedding.model and embedding.dimension back, or empty " + table +
                          " and enqueue the memories again with `memoirctl reconcile`");
}

}  // namespace

PostgresIndex::PostgresIndex(pg::Pool& pool, std::string schema, std::string model, int dimension)
    : pool_(pool),
      name_(schema + ".memoird_vectors"),
      table_(pg::qualified(schema, "memoird_vectors")),
      memories_(pg::qualified(schema, "memories")),
      model_(std::move(model)),
      dimension_(dimension) {}

void PostgresIndex::prepare(std::stop_token stop) {
    auto connection = pool_.acquire(stop);
    if (connection->exec("select to_regclass($1::text) is null", pg::Params().add(table_), stop)
            .boolean(0, 0))
        throw StartError("table " + name_ + " does not exist, and vector.backend is postgres",
                         "run `memoirctl schema apply`");
    // Every host looks before its first write, so the first rows speak for all: no scan of a large table.
    const auto other = connection->exec(
        "select model, cardinality(vector) from (select model, vector from " + table_ +
            " limit 1000) v where model <> $1::text or cardinality(vector) <> $2::integer limit 1",
        pg::Params().add(model_).add(dimension_), stop);
    if (!other.empty()) throw misfit(name_, other.string(0, 0), other.integer(0, 1), model_, dimension_);
}

pg::Effect PostgresIndex::write(std::span<const Point> points, std::stop_token) {
    if (points.empty()) return [](pg::Transaction&) {};
    std::vector<std::string> pids;
    std::vector<float> numbers;  // all vectors in one array, cut up by the statement: parsed once
    pids.reserve(points.size());
    numbers.reserve(points.size() * static_cast<std::size_t>(dimension_));
    for (const auto& point : points) {
        check_vector(point.vector, dimension_);
        pids.push_back(point.pid);
        numbers.insert(numbers.end(), point.vector.begin(), point.vector.end());
    }
    auto params = pg::Params().array(pids).array(numbers).add(dimension_).add(model_);
    // In the order of pids, as remove() locks them.
    auto sql = "insert into " + table_ +
               " (pid, model, vector) select m.pid, $4::text, "
               "a.numbers[(p.at - 1) * $3::integer + 1 : p.at * $3::integer] "
               "from (select $2::real[] as numbers offset 0) a, "
               "unnest($1::text[]) with ordinality p(pid, at) join " +
               memories_ +
               " m on m.pid = p.pid order by m.pid "
               "on conflict (pid) do update set model = excluded.model, vector = excluded.vector";
    return [sql = std::move(sql), params = std::move(params)](pg::Transaction& transaction) {
        transaction.exec(sql, params);
    };
}

pg::Effect PostgresIndex::set_category(const std::string&, const std::optional<std::string>&,
                                       std::stop_token) {
    return [](pg::Transaction&) {};
}

void PostgresIndex::remove(std::span<const std::string> pids, std::stop_token stop) {
    if (pids.empty()) return;
    const auto sql = "delete from " + table_ + " where pid in (select pid from " + table_ +
                     " where pid = any($1::text[]) order by pid for update)";
    // An agent that forgets the same memories holds their locks in an order of its own: the transaction's
    // lock_timeout makes us yield before a deadlock is charged to it, and we come back.
    for (int tries_left = 5;; --tries_left) {
        throw_if_stopped(stop);
        try {
            auto connection = pool_.acquire(stop);
            pg::Transaction transaction(*connection, pg::Transaction::Durability::on);
            transaction.exec(sql, pg::Params().array(pids));
            return transaction.commit();
        } catch (const pg::Error& error) {
            if (error.error_class() != pg::ErrorClass::transaction || tries_left <= 1) throw;
        }
    }
}

pg::Statement PostgresIndex::candidates(const Query& query) const {
    auto params = pg::Params().add(model_).add(dimension_).add(query.user_id);
    // Hex whatever bytea_output says, and however backslashes are read here.
    auto sql = "select v.pid, chr(92) || 'x' || encode(array_send(v.vector), 'hex') from " + memories_ +
               " m join " + table_ +
               " v on v.pid = m.pid where v.model = $1::text and cardinality(v.vector) = $2::integer "
               "and m.user_id = $3::text";
    const auto compare = [&](const char* column, const std::optional<std::string>& value) {
        if (!value) return;
        params.add(*value);
        sql += std::string(" and m.") + column + " = $" + std::to_string(params.size()) + "::text";
    };
    compare("agent_id", query.agent_id);
    compare("org_id", query.org_id);
    compare("kind", query.kind);
    return {std::move(sql), std::move(params)};
}

std::vector<Hit> PostgresIndex::search(const Query& query, std::stop_token stop) {
    check_vector(query.vector, dimension_);
    auto connection = pool_.acquire(stop);
    // A cursor keeps memory small whatever the scope holds; it lives in a transaction, so a pooler is fine.
    pg::Transaction transaction(*connection, pg::Transaction::Durability::off);
    const auto found = candidates(query);
    transaction.exec("declare scope no scroll cursor for " + found.sql, found.params);
    Nearest nearest(query);
    std::vector<float> vector;
    for (int rows = fetched_rows; rows == fetched_rows;) {
        throw_if_stopped(stop);
        const auto chunk = transaction.exec("fetch " + std::to_string(fetched_rows) + " from scope");
        rows = chunk.rows();
        for (int row = 0; row < rows; ++row)
            if (read_real_array(chunk.text(row, 1), vector)) nearest.offer(chunk.text(row, 0), vector);
    }
    transaction.commit();
    return nearest.take();
}

void PostgresIndex::each_pid(const std::function<void(std::span<const std::string>)>& page,
                             std::stop_token stop) {
    std::string last;  // no pid is empty
    while (true) {
        std::vector<std::string> pids;
        {
            auto connection = pool_.acquire(stop);
            const auto rows =
                connection->exec("select pid from " + table_ + " where pid > $1::text order by pid limit " +
                                     std::to_string(page_rows),
                                 pg::Params().add(last), stop);
            for (int row = 0; row < rows.rows(); ++row) pids.push_back(rows.string(row, 0));
        }  // no connection is held while the caller works
        if (pids.empty()) return;
        page(pids);
        last = pids.back();
    }
}

}  // namespace memoir::vector
