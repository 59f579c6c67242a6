#include "work/pg_failure.hpp"

namespace memoir::work {

bool passes_by_itself(const pg::Error& error) {
    switch (error.error_class()) {
        case pg::ErrorClass::connection:
        case pg::ErrorClass::resources:
        case pg::ErrorClass::transaction:
            return true;
        default:
            return false;
    }
}

Failure to_failure(const pg::Error& error) {
    const std::string reason = std::string("postgres: ") + error.what();
    // A stop of ours, not the server's: drain, deadline or a lost lease; the run knows which.
    if (error.error_class() == pg::ErrorClass::cancelled && error.sqlstate().empty())
        return {FailureType::cancelled, reason};
    switch (error.error_class()) {
        case pg::ErrorClass::connection:
        case pg::ErrorClass::resources:
        case pg::ErrorClass::transaction:
            return {FailureType::outage, reason};
        case pg::ErrorClass::permission: {
            Failure failure(FailureType::blocked, reason);
            failure.hint = "grant what `memoirctl schema grants ROLE` prints";
            return failure;
        }
        case pg::ErrorClass::schema: {
            Failure failure(FailureType::blocked, reason);
            failure.hint = "compare the schema with `memoirctl schema check`";
            return failure;
        }
        case pg::ErrorClass::read_only: {
            Failure failure(FailureType::blocked, reason);
            failure.hint = "database.url must name the primary and a role that can write";
            return failure;
        }
        case pg::ErrorClass::cancelled:  // a statement_timeout of the server's own: this job's statement was
                                         // slow
        case pg::ErrorClass::data:
        case pg::ErrorClass::other:
            break;
    }
    return {FailureType::job, reason};
}

}  // namespace memoir::work
