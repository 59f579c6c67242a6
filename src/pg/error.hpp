#pragma once
// What can go wrong with PostgreSQL, classified in one place. Texts carry SQLSTATE, constraint, table and
// column names only: a server's MESSAGE and DETAIL echo data and are never kept, only their length is.

#include <exception>
#include <string>
#include <string_view>

namespace memoir::pg {

enum class ErrorClass {
    connection,   // lost, refused, time-out of ours, server shutting down: reconnect; an outage
    resources,    // 53xxx, 57P03, 55000-like "not now": an outage without a reconnect
    transaction,  // 40001, 40P01, 55P03 (lock_timeout): run the transaction again
    cancelled,    // 57014: statement_timeout or a cancel
    data,         // 22xxx, 23xxx: this data will never pass
    permission,   // 42501, 28xxx: credentials or grants; a human has to act
    schema,       // 42P01, 42703, 3F000, 42883 …: the schema is not what we expect
    read_only,    // 25006: a standby or a read-only role
    other,
};

std::string_view to_string(ErrorClass error_class);

// Pure: SQLSTATE (five characters) to class.
ErrorClass classify(std::string_view sqlstate);

// "57014 (query_canceled)"; the bare code where its name is not known here.
std::string described(std::string_view sqlstate);

class Error : public std::exception {
  public:
    Error(ErrorClass error_class, std::string sqlstate, std::string text)
        : class_(error_class), sqlstate_(std::move(sqlstate)), text_(std::move(text)) {}
    ErrorClass error_class() const { return class_; }
    const std::string& sqlstate() const { return sqlstate_; }  // empty: the error is not the server's
    const char* what() const noexcept override { return text_.c_str(); }

  private:
    ErrorClass class_;
    std::string sqlstate_;
    std::string text_;  // "23505 (unique_violation) on memories_pid_key", "connect: timed out after 10000 ms"
};

// The connection was lost after COMMIT (or an implicit commit) was sent: it may or may not stand. The caller
// looks at the row.
class UnknownOutcome : public Error {
  public:
    explicit UnknownOutcome(const Error& cause) : Error(cause) {}
};

}  // namespace memoir::pg
