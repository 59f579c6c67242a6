#pragma once
// Parameters and rows. Text format on the wire. Thread safety: values, one thread at a time.

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace memoir::pg {

// Positional parameters $1, $2 …; every value goes as text, its type is the statement's cast ($1::bigint[]).
class Params {
  public:
    Params& add(std::string_view value);
    Params& add(const char* value) { return add(std::string_view(value)); }
    Params& add(const std::string& value) { return add(std::string_view(value)); }
    Params& add(std::int64_t value);
    Params& add(int value) { return add(static_cast<std::int64_t>(value)); }
    Params& add(double value);
    Params& add(bool value);
    Params& null();
    Params& add(const std::optional<std::string>& value) { return value ? add(*value) : null(); }
    Params& array(std::span<const std::int64_t> values);                // for $n::bigint[]
    Params& array(std::span<const std::string> values);                 // for $n::text[] / jsonb[] …
    Params& array(std::span<const std::optional<std::string>> values);  // nullopt: NULL
    Params& array(std::span<const float> values);                       // for $n::real[]

    std::size_t size() const { return values_.size(); }
    // Pointers stay valid until the next add.
    std::vector<const char*> pointers() const;

  private:
    std::vector<std::optional<std::string>> values_;
};

class Result {
  public:
    explicit Result(PGresult* result = nullptr) : result_(result, &PQclear) {}
    int rows() const { return result_ ? PQntuples(result_.get()) : 0; }
    bool empty() const { return rows() == 0; }
    bool is_null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
    std::string_view text(int row, int column) const {
        return {PQgetvalue(result_.get(), row, column),
                static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
    }
    std::string string(int row, int column) const { return std::string(text(row, column)); }
    std::optional<std::string> optional(int row, int column) const;
    std::int64_t integer(int row, int column) const;  // throws Error(other) on what is no integer
    double real(int row, int column) const;
    bool boolean(int row, int column) const { return text(row, column) == "t"; }
    std::vector<float> floats(int row, int column) const;  // real[] in text form: {1,2.5}
    std::int64_t affected() const;                         // rows of INSERT, UPDATE, DELETE

    std::string_view command() const { return result_ ? PQcmdStatus(result_.get()) : ""; }  // "INSERT 0 1"

  private:
    std::unique_ptr<PGresult, decltype(&PQclear)> result_;
};

struct Statement {
    std::string sql;
    Params params{};
    // One that every loop sends all day: where the server is reached directly it is parsed and planned once a
    // connection (pg/connection.hpp). Its text must not vary, or each text stays prepared.
    bool repeated = false;
    // One that an index answers in its order, row by row. The planner is kept from reading a whole backlog
    // and sorting it, which under statistics of an emptier table it takes to be as cheap.
    bool in_order = false;
};

}  // namespace memoir::pg
