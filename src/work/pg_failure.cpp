#include "work/pg_failure.hpp"

namespace memoir::work {

bool passes_by_itself(const pg::Error& error) {
    switch (error.error_class()) {
        case pg::ErrorClass::connection:
        case pg::ErrorClass::resources:
        case pg::ErrorClass::transaction:
        case pg::ErrorClass::read_only:  // a failover: the next connect finds the new primary
            return true;
        case pg::ErrorClass::cancelled:
            // A statement_timeout of the role, or an administrator: our statements have a fixed shape, so
            // that it is not this job's data that is slow. Without a SQLSTATE it is a stop of ours.
            return !error.sqlstate().empty();
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
        case pg::ErrorClass::read_only:
        case pg::ErrorClass::cancelled:
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
        case pg::ErrorClass::data:
        case pg::ErrorClass::other:
            break;
    }
    return {FailureType::job, reason};
}

}  // namespace memoir::work
