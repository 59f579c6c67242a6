#include "endpoint/classify.hpp"

#include <catch2/catch.hpp>

using namespace memoir;
using endpoint::Answer;
using endpoint::classify;
using http::TransportError;

TEST_CASE("what broke before anything was sent is an outage, what broke after it is ambiguous") {
    const std::vector<std::pair<TransportError, FailureType>> table{
        {TransportError::resolve, FailureType::outage},
        {TransportError::refused, FailureType::outage},
        {TransportError::tls, FailureType::outage},
        {TransportError::connect_timeout, FailureType::outage},
        {TransportError::timeout, FailureType::ambiguous},
        {TransportError::silence, FailureType::ambiguous},
        {TransportError::reset, FailureType::ambiguous},
        {TransportError::cut, FailureType::ambiguous},
        {TransportError::too_large, FailureType::ambiguous},
        {TransportError::other, FailureType::ambiguous},
        {TransportError::redirect, FailureType::blocked},
        {TransportError::not_http, FailureType::blocked},
        {TransportError::invalid, FailureType::blocked},
        {TransportError::cancelled, FailureType::cancelled},
    };
    for (const auto& [error, type] : table) {
        CAPTURE(to_string(error));
        const auto failure = classify(http::TransportFailure(error, "host:1: words"), "vector.url");
        CHECK(failure.type() == type);
        CHECK(failure.reason() == "host:1: words");
        CHECK((failure.hint.find("vector.url") != std::string::npos) == (type == FailureType::blocked));
    }
}

TEST_CASE("every status and code of the failure table has its type") {
    struct Row {
        int status;
        std::string code;
        FailureType type;
        std::string reason;
    };
    const std::vector<Row> table{
        {502, "", FailureType::outage, "HTTP 502"},
        {503, "", FailureType::outage, "HTTP 503"},
        {504, "timeout_error", FailureType::outage, "HTTP 504"},
        {507, "", FailureType::outage, "HTTP 507"},
        {522, "", FailureType::outage, "HTTP 522"},
        {500, "", FailureType::ambiguous, "HTTP 500"},
        {500, "api_error", FailureType::ambiguous, "HTTP 500"},
        {520, "", FailureType::ambiguous, "HTTP 520"},
        {408, "", FailureType::ambiguous, "HTTP 408"},
        {499, "", FailureType::ambiguous, "HTTP 499"},
        {424, "", FailureType::ambiguous, "HTTP 424"},
        {200, "", FailureType::ambiguous, "HTTP 200 without a usable answer"},
        {429, "", FailureType::throttled, "HTTP 429"},
        {429, "rate_limit_exceeded", FailureType::throttled, "HTTP 429 (rate_limit_exceeded)"},
        {429, "rate_limit_error", FailureType::throttled, "HTTP 429 (rate_limit_error)"},
        {529, "overloaded_error", FailureType::throttled, "HTTP 529 (overloaded_error)"},
        {529, "", FailureType::throttled, "HTTP 529"},
        {429, "insufficient_quota", FailureType::blocked, "HTTP 429 (insufficient_quota)"},
        {429, "enforced_spend_limit_reached", FailureType::blocked,
         "HTTP 429 (enforced_spend_limit_reached)"},
        {402, "", FailureType::blocked, "HTTP 402"},
        {402, "billing_error", FailureType::blocked, "HTTP 402 (billing_error)"},
        {401, "", FailureType::blocked, "HTTP 401"},
        {403, "permission_error", FailureType::blocked, "HTTP 403 (permission_error)"},
        {404, "", FailureType::blocked, "HTTP 404"},
        {404, "model_not_found", FailureType::blocked, "HTTP 404 (model_not_found)"},
        {405, "", FailureType::blocked, "HTTP 405"},
        {501, "", FailureType::blocked, "HTTP 501"},
        {304, "", FailureType::blocked, "HTTP 304"},
        {400, "", FailureType::permanent, "HTTP 400"},
        {400, "context_length_exceeded", FailureType::permanent, "HTTP 400 (context_length_exceeded)"},
        {400, "content_filter", FailureType::permanent, "HTTP 400 (content_filter)"},
        {413, "request_too_large", FailureType::permanent, "HTTP 413 (request_too_large)"},
        {422, "", FailureType::permanent, "HTTP 422"},
        {418, "", FailureType::permanent, "HTTP 418"},
        {409, "", FailureType::job, "HTTP 409"},
        {409, "conflict_error", FailureType::job, "HTTP 409 (conflict_error)"},
    };
    for (const auto& row : table) {
        CAPTURE(row.status, row.code);
        Answer answer;
        answer.status = row.status;
        answer.code = row.code;
        const auto failure = classify(answer, "extraction.api_key_file");
        CHECK(failure.type() == row.type);
        CHECK(failure.reason() == row.reason);
        const bool named = failure.hint.find("extraction.api_key_file") != std::string::npos;
        CHECK(named == (row.type == FailureType::blocked));
    }
}

TEST_CASE("money says billing, a wrong URL says so, an unknown model says so") {
    Answer answer;
    answer.status = 429;
    answer.code = "insufficient_quota";
    CHECK(classify(answer).hint.starts_with("billing: "));
    answer = {};
    answer.status = 402;
    CHECK(classify(answer).hint.starts_with("billing: "));
    answer = {};
    answer.status = 404;
    CHECK(classify(answer).hint.find("model") != std::string::npos);
    answer.json_body = false;
    CHECK(classify(answer).hint.find("URL") != std::string::npos);
}

TEST_CASE("a time that the server named is kept for throttled, and makes a 503 throttled") {
    Answer answer;
    answer.status = 503;
    answer.retry_after = Milliseconds(7'000);
    auto failure = classify(answer);
    CHECK(failure.type() == FailureType::throttled);
    CHECK(failure.retry_after == Milliseconds(7'000));
    answer.status = 429;
    CHECK(classify(answer).retry_after == Milliseconds(7'000));
    answer.status = 500;
    failure = classify(answer);
    CHECK(failure.type() == FailureType::ambiguous);
    CHECK_FALSE(failure.retry_after);
}

TEST_CASE("a code that is not in our table never reaches the reason") {
    Answer answer;
    answer.status = 400;
    answer.code = "Alice's secret";
    CHECK(classify(answer).reason() == "HTTP 400");
    CHECK_FALSE(endpoint::is_known_code(answer.code));
    CHECK(endpoint::is_known_code("insufficient_quota"));
}

TEST_CASE("every status has a type, and no reason is empty") {
    for (int status = 0; status < 1'000; ++status) {
        Answer answer;
        answer.status = status;
        const auto failure = classify(answer);
        CHECK_FALSE(failure.reason().empty());
        CHECK(failure.type() != FailureType::cancelled);
    }
}
