#pragma once
// What model servers and the gateways before them say when they refuse: one table from their words and codes
// to the codes that endpoint/classify.cpp knows. Their texts are looked at here to tell failures apart, and
// never leave. Thread safety: pure functions and constants.

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "http/client.hpp"

namespace memoir::model {

// A dialect's way to say what one of the codes says.
struct ErrorRow {
    enum class In {
        code,     // the whole of a machine-readable code (code, type, status, reason …)
        begin,    // how the message begins
        message,  // somewhere in the message
    };
    In in;
    std::string_view text;  // lower case
    std::string_view code;  // endpoint::is_known_code
    std::string_view of;    // who says so
};
std::span<const ErrorRow> error_rows();

struct ErrorBody {
    std::string code;     // one that the endpoint's table knows; empty: what is said is not known
    std::string param;    // the parameter that is named as refused; empty: none
    std::string message;  // in lower case, cut at 1,000 bytes; for comparisons only
    bool json = false;    // the body was JSON
    std::optional<Milliseconds> retry_after;  // Google's RetryInfo; the headers say it better where they do
    bool says(std::string_view words) const { return message.find(words) != std::string::npos; }
    // `parameter` is `param`, or its beginning, or stands in the message as a word.
    bool refuses(std::string_view parameter) const;
};

// All the shapes of docs/providers.md, "OpenAI and compatible servers": {"error":{…}}, {"error":"…"},
// {"detail":…},
// {"object":"error",…}, and Google's [{"error":{…}}].
ErrorBody read_error(const http::Response& response);

// A 200 that holds an error is answered for as if its code were the status (500 where it has none), and so is
// one within a choice. Anything else is as it was.
http::Response as_its_error(http::Response response);

// The server streams although nobody asked it to: events, or a JSON text a line.
bool is_stream(const http::Response& response);

// The most texts in one request that an embedding server names; nullopt: it names none below `sent`.
std::optional<std::size_t> most_texts(const ErrorBody& error, std::size_t sent);
// It complains of what the texts of a request have together, or of their number.
bool is_about_batch(const http::Response& response, const ErrorBody& error);

// The words for a memory that does not fit into the model's context, whoever says so.
bool is_too_long(const ErrorBody& error);

}  // namespace memoir::model
