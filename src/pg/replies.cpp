#include "pg/replies.hpp"

#include "pg/diagnose.hpp"

namespace memoir::pg {

void Replies::add(PGresult* raw) {
    if (raw == nullptr) return;
    Result result(raw);
    switch (PQresultStatus(raw)) {
        case PGRES_PIPELINE_SYNC:
            finish_segment();
            break;
        case PGRES_PIPELINE_ABORTED:
            break;
        case PGRES_TUPLES_OK:
        case PGRES_COMMAND_OK:
        case PGRES_EMPTY_QUERY:
            results_.push_back(std::move(result));
            break;
        case PGRES_FATAL_ERROR:
        case PGRES_BAD_RESPONSE:
            if (!error_) error_ = diagnose(raw);
            break;
        default:
            // COPY and single rows are never asked for.
            if (!error_) error_.emplace(ErrorClass::other, "", "a reply of an unexpected kind");
    }
}

void Replies::finish_segment() {
    if (!error_ && results_.size() != expected_[done_.size()])
        error_.emplace(ErrorClass::other, "", "the server answered another number of statements");
    if (error_)
        done_.emplace_back(std::move(*error_));
    else
        done_.emplace_back(std::move(results_));
    error_.reset();
    results_.clear();
}

}  // namespace memoir::pg
