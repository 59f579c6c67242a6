#pragma once
// From what a backend did to a failure type: pure functions, tested by table. Providers with cases of their
// own look at the body first and pass the code that they found; everything else ends here.
// Reasons hold our own words, the HTTP status and codes of our own table, never the server's text.
// Thread safety: all functions.

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/failure.hpp"
#include "http/client.hpp"

namespace memoir::endpoint {

FailureType classify(http::TransportError error);
// The same as a Failure. `setting` is what the HINT of a `blocked` one names ("embedding.url, …"); empty: the
// endpoint fills it in.
Failure classify(const http::TransportFailure& failure, std::string_view setting = {});

// What is known about an answer that is a failure. A status of 2xx means: the body is no answer of that API.
struct Answer {
    int status = 0;
    std::optional<Milliseconds> retry_after;  // http::retry_after()
    // A machine-readable code found in the body (error.code, error.type, details.error_code). One that is not
    // in our table is ignored.
    std::string_view code;
    bool json_body = true;  // whether the body was JSON: a 404 of something else means a wrong URL
};
Failure classify(const Answer& answer, std::string_view setting = {});

// Whether the table has an entry for a code: providers with several candidates (type, code) pass the first
// that is known.
bool is_known_code(std::string_view code);

}  // namespace memoir::endpoint
