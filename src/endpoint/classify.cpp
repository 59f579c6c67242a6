#include "endpoint/classify.hpp"

#include <algorithm>
#include <array>

namespace memoir::endpoint {
namespace {

enum class Hint { none, credentials, model, url, billing };

std::string hint_text(Hint hint, std::string_view setting) {
    std::string text;
    switch (hint) {
        case Hint::none:
            return {};
        case Hint::credentials:
            text = "the server refuses the credentials";
            break;
        case Hint::model:
            text = "the server does not know the model";
            break;
        case Hint::url:
            text = "the URL does not lead to the API expected there";
            break;
        case Hint::billing:
            text =
                "billing: the account's quota, credit or spend limit is used up; see the provider's billing "
                "page";
            break;
    }
    return setting.empty() ? text : text + "; check " + std::string(setting);
}

struct Code {
    std::string_view code;
    FailureType type;
    Hint hint;
};

// Codes that say more than their status does (docs/providers.md, "Failure table"). Those whose status says
// it already are here too, so that the reason names them.
constexpr std::array codes{
    // money: waiting does not help, a human does
    Code{"insufficient_quota", FailureType::blocked, Hint::billing},
    Code{"billing_error", FailureType::blocked, Hint::billing},
    Code{"billing_not_active", FailureType::blocked, Hint::billing},
    Code{"billing_hard_limit_reached", FailureType::blocked, Hint::billing},
    Code{"enforced_spend_limit_reached", FailureType::blocked, Hint::billing},
    Code{"contract_spend_limit_reached", FailureType::blocked, Hint::billing},
    Code{"organization_on_hold", FailureType::blocked, Hint::billing},
    // credentials and names
    Code{"invalid_api_key", FailureType::blocked, Hint::credentials},
    Code{"authentication_error", FailureType::blocked, Hint::credentials},
    Code{"permission_error", FailureType::blocked, Hint::credentials},
    Code{"unsupported_country_region_territory", FailureType::blocked, Hint::credentials},
    Code{"model_not_found", FailureType::blocked, Hint::model},
    // away
    Code{"service_unavailable", FailureType::outage, Hint::none},
    // rate
    Code{"rate_limit_exceeded", FailureType::throttled, Hint::none},
    Code{"rate_limit_error", FailureType::throttled, Hint::none},
    Code{"ramp_limit_exceeded", FailureType::throttled, Hint::none},
    Code{"overloaded_error", FailureType::throttled, Hint::none},
    // the request itself
    Code{"context_length_exceeded", FailureType::permanent, Hint::none},
    Code{"exceed_context_size_error", FailureType::permanent, Hint::none},
    Code{"request_too_large", FailureType::permanent, Hint::none},
    Code{"content_filter", FailureType::permanent, Hint::none},
    Code{"conflict_error", FailureType::job, Hint::none},
};

const Code* find(std::string_view code) {
    const auto* found =
        std::find_if(codes.begin(), codes.end(), [&](const Code& entry) { return entry.code == code; });
    return found == codes.end() ? nullptr : found;
}

struct Meaning {
    FailureType type;
    Hint hint = Hint::none;
};

Meaning of_status(const Answer& answer) {
    switch (answer.status) {
        case 401:
        case 403:
        case 407:
            return {FailureType::blocked, Hint::credentials};
        case 402:
            return {FailureType::blocked, Hint::billing};
        case 404:
            return {FailureType::blocked, answer.json_body ? Hint::model : Hint::url};
        // Nobody answers these on the path of a model or an index: another server, or another path.
        case 405:
        case 410:
        case 421:
        case 426:
        case 501:
        case 505:
        case 511:
            return {FailureType::blocked, Hint::url};
        case 408:
        case 424:  // text-embeddings-inference: its backend failed
        case 499:
            return {FailureType::ambiguous};
        case 409:
            return {FailureType::job};
        case 429:
        case 529:
            return {FailureType::throttled};
        case 502:
        case 503:
        case 504:
        case 507:  // Qdrant: disk or memory quota
        case 521:  // Cloudflare: the origin is down, does not answer, cannot be reached, has no TLS
        case 522:
        case 523:
        case 525:
        case 526:
        case 530:
            return {FailureType::outage};
        default:
            break;
    }
    if (answer.status >= 500) return {FailureType::ambiguous};
    if (answer.status >= 400) return {FailureType::permanent};
    if (answer.status >= 300) return {FailureType::blocked, Hint::url};
    return {FailureType::ambiguous};
}

std::string reason_of(const Answer& answer, const Code* code) {
    std::string reason = "HTTP " + std::to_string(answer.status);
    if (code) return reason + " (" + std::string(code->code) + ")";
    if (answer.status >= 200 && answer.status < 300) return reason + " without a usable answer";
    return reason;
}

}  // namespace

FailureType classify(http::TransportError error) {
    using http::TransportError;
    switch (error) {
        case TransportError::resolve:
        case TransportError::refused:
        case TransportError::tls:
        case TransportError::connect_timeout:
            return FailureType::outage;
        // Something was sent: a hung server and a job that crashes a healthy one look the same.
        case TransportError::timeout:
        case TransportError::silence:
        case TransportError::reset:
        case TransportError::cut:
        case TransportError::too_large:
        case TransportError::other:
            return FailureType::ambiguous;
        case TransportError::redirect:
        case TransportError::not_http:
        case TransportError::invalid:
            return FailureType::blocked;
        case TransportError::cancelled:
            return FailureType::cancelled;
    }
    return FailureType::ambiguous;
}

Failure classify(const http::TransportFailure& failure, std::string_view setting) {
    Failure result(classify(failure.error()), failure.what());
    if (result.type() == FailureType::blocked) result.hint = hint_text(Hint::url, setting);
    if (failure.setting() == "ca_file") {
        // "vector.url, …" names the section.
        const auto section = std::string(setting.substr(0, setting.find('.')));
        result.hint = "set " + (section.empty() ? "" : section + ".") +
                      "ca_file to the certificate of the authority that signed the server's, where that is a "
                      "private one";
    }
    return result;
}

Failure classify(const Answer& answer, std::string_view setting) {
    const Code* code = find(answer.code);
    Meaning meaning = code ? Meaning{code->type, code->hint} : of_status(answer);
    // A server that is down for a named time has told us to come later.
    if (!code && answer.status == 503 && answer.retry_after) meaning.type = FailureType::throttled;
    Failure result(meaning.type, reason_of(answer, code));
    if (meaning.type == FailureType::throttled) result.retry_after = answer.retry_after;
    result.hint = hint_text(meaning.hint, setting);
    result.of_account = meaning.hint == Hint::billing;
    return result;
}

bool is_known_code(std::string_view code) {
    return find(code) != nullptr;
}

}  // namespace memoir::endpoint
