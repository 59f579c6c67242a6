#pragma once
// From what libpq and the server say to an Error that repeats none of their words. Thread safety: pure.

#include <libpq-fe.h>

#include <string_view>

#include "pg/error.hpp"

namespace memoir::pg {

// A failed statement: SQLSTATE, constraint or table and column, position in our own SQL, length of the
// message. Without a SQLSTATE the error is libpq's own: the connection was lost.
Error diagnose(const PGresult* result);

// A failed connect. libpq offers no SQLSTATE there; with PQERRORS_SQLSTATE its message ends in one, and for
// what happened before the server could speak we recognise its (untranslated) phrases.
Error diagnose_connect(std::string_view message);

}  // namespace memoir::pg
