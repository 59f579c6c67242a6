#include "stages/feedback.hpp"

#include "base/failure.hpp"
#include "base/random_id.hpp"
#include "memory/facts.hpp"
#include "memory/memory.hpp"
#include "queue/pauses.hpp"
#include "stages/correction.hpp"

namespace memoir::stages {

namespace {
constexpr Milliseconds connection_wait{1'000};
}  // namespace

int Feedback::store_some(const std::stop_token& stop) {
    auto connection = pool_.acquire(stop, connection_wait);
    if (is_paused(*connection)) return 0;
    const auto rows =
        queue::waiting_rows(connection->exec(queue::waiting_corrections(schema_, after_, at_a_time), stop));
    for (const auto& row : rows) {
        after_ = row.id;
        try {
            if (!store(*connection, row)) continue;
        } catch (const Failure&) {
            continue;  // a broken payload: the job itself will say so
        } catch (const pg::Error& error) {
            // One that the database refuses holds up no other; a lock is free the next time.
            if (error.error_class() == pg::ErrorClass::connection) throw;
            continue;
        }
        log_.info("memoir.reprocess.feedback_stored", "the feedback of a correction that waits is stored",
                  {{"job_id", row.id}, {"source_pid", row.source_pid}});
    }
    if (rows.size() < at_a_time) after_ = 0;
    return static_cast<int>(rows.size());
}

bool Feedback::is_paused(pg::Connection& connection) {
    if (!pauses_) return false;
    try {
        const auto pauses = queue::read_pauses(connection.exec(queue::select_pauses(schema_)));
        return queue::pause_of(pauses, "reprocess") != nullptr;
    } catch (const pg::Error& error) {
        if (error.error_class() != pg::ErrorClass::schema) throw;
        pauses_ = false;
        return false;
    }
}

bool Feedback::store(pg::Connection& connection, const queue::WaitingRow& row) {
    auto correction = read_correction(row.payload);
    if (!correction.feedback || !correction.progress.feedback_pid.empty()) return false;
    pg::Transaction transaction(connection, pg::Transaction::Durability::on);
    if (memory::lock(transaction, schema_, std::span(&row.source_pid, 1)).empty()) return false;
    const auto found = memory::load(transaction.connection(), schema_, std::span(&row.source_pid, 1), 1);
    // As the job itself: a retired memory is corrected no more.
    if (found.empty() || found.front().retired) return false;
    correction.progress.feedback_pid = random_pid();
    const auto payload = with_progress(row.payload, correction.progress);
    if (transaction.exec(queue::note_in_waiting(schema_, row, payload)).empty()) return false;
    memory::insert_feedback(transaction, schema_, found.front().scope, correction.progress.feedback_pid,
                            *correction.feedback);
    transaction.commit();
    return true;
}

}  // namespace memoir::stages
