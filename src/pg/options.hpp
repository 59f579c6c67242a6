#pragma once
// The keys of [database]. A value; config fills it, and pools and listeners copy what they need.

#include <chrono>
#include <string>

#include "base/secret.hpp"

namespace memoir::pg {

struct Options {
    Secret url{
        std::string("postgresql:///memoir")};  // libpq URI or keywords; secret because it may hold a password
    Secret listen_url;                         // empty: `url`
    std::string schema = "memoir";             // matches [a-z_][a-z0-9_]*
    int pool = 8;                              // connections for statements and transactions
    std::chrono::milliseconds statement_timeout{30'000};
};

}  // namespace memoir::pg
