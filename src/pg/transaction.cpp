#include <algorithm>
#include <utility>

#include "pg/connection.hpp"

namespace memoir::pg {
namespace {

// A rollback frees locks that others wait for; a server that does not answer it this long has lost them
// anyway.
constexpr Milliseconds rollback_limit{5'000};

}  // namespace

Transaction::Transaction(Connection& connection, Durability durability, Milliseconds lock_timeout,
                         std::stop_token stop)
    : connection_(connection), stop_(std::move(stop)) {
    if (connection_.in_transaction_) throw Error(ErrorClass::other, "", "a transaction inside a transaction");
    // Explicit, because default_transaction_isolation may say something else. The settings are local: they
    // end with the transaction, as a pooler needs it.
    const auto keeping = connection_.keeping_.value_or(Connection::Keeping::none);
    Statement settings{
        "select set_config('lock_timeout', $1, true)", {}, keeping != Connection::Keeping::none};
    settings.params.add(std::to_string(lock_timeout.count()));
    if (durability == Durability::off) settings.sql += ", set_config('synchronous_commit', 'off', true)";
    // As plan_by_index, which a session of our own has from its first repeated statement on.
    if (keeping == Connection::Keeping::pooled)
        settings.sql += ", set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)";
    connection_.prologue_.push_back({"begin isolation level read committed", {}});
    connection_.prologue_.push_back(std::move(settings));
    connection_.in_transaction_ = true;
}

Transaction::~Transaction() {
    rollback();
}

Result Transaction::exec(const std::string& sql, const Params& params) {
    return run(Connection::View{sql.c_str(), &params});
}

Result Transaction::exec(const Statement& statement) {
    return run(Connection::view(statement));
}

void Transaction::defer(Statement statement) {
    used_ = true;
    connection_.prologue_.push_back(std::move(statement));
}

Result Transaction::run(Connection::View view) {
    used_ = true;
    try {
        auto results = connection_.run({view}, false, stop_);
        return std::move(results.front());
    } catch (const Error&) {
        failed_ = true;
        throw;
    }
}

std::vector<Result> Transaction::pipeline(std::span<const Statement> statements) {
    return run(statements, false);
}

void Transaction::commit() {
    commit({});
}

std::vector<Result> Transaction::commit(std::span<const Statement> last) {
    if (failed_ || !open_) {
        rollback();
        throw Error(ErrorClass::other, "25P02", "commit of a transaction that has failed or ended");
    }
    std::vector<Result> results;
    if (last.empty() && !used_) {
        // Nothing was sent, nothing is to be: there is no transaction.
        connection_.prologue_.clear();
    } else {
        try {
            results = run(last, true);
        } catch (const Error&) {
            rollback();
            throw;
        }
        // The server ends a failed transaction with ROLLBACK and no error.
        const bool stands = results.back().command() == "COMMIT";
        results.pop_back();
        if (!stands) {
            open_ = connection_.in_transaction_ = false;
            throw Error(ErrorClass::other, "25P02", "commit of a transaction that had failed");
        }
    }
    open_ = connection_.in_transaction_ = false;
    return results;
}

std::vector<Result> Transaction::run(std::span<const Statement> statements, bool commit) {
    if (statements.empty() && !commit) return {};
    used_ = true;
    static const Params none;
    std::vector<Connection::View> views;
    for (const auto& statement : statements) views.push_back(Connection::view(statement));
    if (commit) views.push_back({"commit", &none});
    try {
        return connection_.run(std::move(views), commit, stop_);
    } catch (const Error&) {
        failed_ = true;
        throw;
    }
}

void Transaction::rollback() noexcept {
    if (!open_) return;
    open_ = connection_.in_transaction_ = false;
    connection_.prologue_.clear();
    if (connection_.broken_ || PQtransactionStatus(connection_.handle_.get()) == PQTRANS_IDLE) return;
    const auto timeout = std::exchange(connection_.timeout_, rollback_limit);
    try {
        connection_.exec("rollback");
    } catch (...) {
        // The server rolls back what it cannot answer for; nobody may get this connection again.
        connection_.broken_ = true;
    }
    connection_.timeout_ = timeout;
}

}  // namespace memoir::pg
