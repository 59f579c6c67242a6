#include "model/server_errors.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "endpoint/classify.hpp"
#include "model/chat_body.hpp"

namespace memoir::model {
namespace {

using nlohmann::json;
using In = ErrorRow::In;

constexpr std::size_t message_bytes = 1'000;

constexpr std::string_view key = "invalid_api_key", model = "model_not_found", money = "insufficient_quota",
                           rate = "rate_limit_exceeded", down = "service_unavailable",
                           overlong = "context_length_exceeded", filtered = "content_filter",
                           place = "unsupported_country_region_territory";

// Codes first: they say more than a message, which may repeat a memory. Of two rows that fit the first
// counts.
constexpr std::array rows{
    // credentials, whatever the status
    ErrorRow{In::code, "api_key_invalid", key, "Gemini, with 400"},
    ErrorRow{In::code, "api_key_expired", key, "Gemini"},
    ErrorRow{In::code, "api_key_service_blocked", key, "Gemini"},
    ErrorRow{In::code, "access_token_expired", key, "Vertex AI"},
    ErrorRow{In::code, "unauthenticated", key, "Gemini"},
    ErrorRow{In::code, "permission_denied", key, "Gemini"},
    ErrorRow{In::code, "consumer_invalid", key, "Gemini"},
    ErrorRow{In::code, "auth_error", key, "LiteLLM"},
    ErrorRow{In::code, "token_not_found_in_db", key, "LiteLLM"},
    ErrorRow{In::code, "expired_key", key, "LiteLLM"},
    ErrorRow{In::code, "key_model_access_denied", key, "LiteLLM"},
    ErrorRow{In::code, "team_model_access_denied", key, "LiteLLM"},
    ErrorRow{In::code, "invalid_authentication_error", key, "Moonshot"},
    ErrorRow{In::code, "invalidapikey", key, "DashScope"},
    ErrorRow{In::code, "accessdenied", key, "DashScope"},
    ErrorRow{In::code, "permissiondenied", key, "Azure"},
    ErrorRow{In::code, "unauthorized", key, "Azure, Mistral"},
    // models
    ErrorRow{In::code, "deploymentnotfound", model, "Azure"},
    ErrorRow{In::code, "operationnotsupported", model, "Azure"},
    ErrorRow{In::code, "modelnotfound", model, "DashScope"},
    ErrorRow{In::code, "model_not_available", model, "Together"},
    ErrorRow{In::code, "model_decommissioned", model, "Groq"},
    ErrorRow{In::code, "invalid_model", model, "Mistral"},
    ErrorRow{In::code, "unknown_model", model, "GitHub Models"},
    ErrorRow{In::code, "notfounderror", model, "vLLM"},
    // money
    ErrorRow{In::code, "budget_exceeded", money, "LiteLLM"},
    ErrorRow{In::code, "exceeded_current_quota_error", money, "Moonshot"},
    ErrorRow{In::code, "arrearage", money, "DashScope"},
    ErrorRow{In::code, "payment_required", money, "OpenRouter"},
    ErrorRow{In::code, "insufficient_balance", money, "DeepSeek"},
    ErrorRow{In::code, "insufficient_credits", money, "OpenRouter"},
    ErrorRow{In::code, "billing_disabled", money, "Google"},
    // rate
    ErrorRow{In::code, "resource_exhausted", rate, "Gemini"},
    ErrorRow{In::code, "ratelimitreached", rate, "Azure"},
    ErrorRow{In::code, "rate_limit_reached_error", rate, "Moonshot"},
    ErrorRow{In::code, "engine_overloaded_error", rate, "Moonshot"},
    ErrorRow{In::code, "too_many_requests", rate, "Azure, Cohere"},
    ErrorRow{In::code, "throttling", rate, "DashScope"},
    ErrorRow{In::code, "throttling.ratequota", rate, "DashScope"},
    ErrorRow{In::code, "throttling.allocationquota", rate, "DashScope"},
    ErrorRow{In::code, "throttling_error", rate, "LiteLLM"},
    ErrorRow{In::code, "overloaded", rate, "TEI"},
    // away
    ErrorRow{In::code, "unavailable", down, "Gemini"},
    ErrorRow{In::code, "unavailable_error", down, "llama.cpp, while it loads"},
    ErrorRow{In::code, "unhealthy", down, "TEI"},
    ErrorRow{In::code, "serviceunavailable", down, "Azure"},
    // the request
    ErrorRow{In::code, "string_above_max_length", overlong, "OpenAI"},
    ErrorRow{In::code, "contextwindowexceedederror", overlong, "LiteLLM"},
    ErrorRow{In::code, "data_inspection_failed", filtered, "DashScope"},
    ErrorRow{In::code, "datainspectionfailed", filtered, "DashScope"},
    ErrorRow{In::code, "content_policy_violation", filtered, "OpenAI"},
    ErrorRow{In::code, "responsibleaipolicyviolation", filtered, "Azure"},

    ErrorRow{In::begin, "litellm.authenticationerror", key, "LiteLLM"},
    ErrorRow{In::begin, "litellm.permissiondeniederror", key, "LiteLLM"},
    ErrorRow{In::begin, "litellm.notfounderror", model, "LiteLLM"},
    ErrorRow{In::begin, "litellm.budgetexceedederror", money, "LiteLLM"},
    ErrorRow{In::begin, "litellm.ratelimiterror", rate, "LiteLLM"},
    ErrorRow{In::begin, "litellm.serviceunavailableerror", down, "LiteLLM"},
    ErrorRow{In::begin, "litellm.badgatewayerror", down, "LiteLLM"},
    ErrorRow{In::begin, "litellm.apiconnectionerror", down, "LiteLLM"},
    ErrorRow{In::begin, "litellm.contextwindowexceedederror", overlong, "LiteLLM"},
    ErrorRow{In::begin, "litellm.contentpolicyviolationerror", filtered, "LiteLLM"},
    ErrorRow{In::begin, "litellm.badrequesterror: contextwindowexceedederror", overlong, "LiteLLM"},
    ErrorRow{In::begin, "authentication error", key, "LiteLLM"},
    ErrorRow{In::begin, "api key not valid", key, "Gemini, with 400"},
    ErrorRow{In::begin, "api key expired", key, "Gemini, with 400"},
    ErrorRow{In::begin, "api key not found", key, "Gemini, with 400"},
    ErrorRow{In::begin, "missing or invalid authorization", key, "Gemini, with 400"},
    ErrorRow{In::begin, "incorrect api key provided", key, "OpenAI, xAI with 400"},
    ErrorRow{In::begin, "invalid api key", key, "llama.cpp, Groq, Voyage"},
    ErrorRow{In::begin, "no auth credentials found", key, "OpenRouter"},
    ErrorRow{In::begin, "no cookie auth credentials found", key, "OpenRouter"},
    ErrorRow{In::begin, "access denied due to invalid subscription key", key, "Azure"},
    ErrorRow{In::begin, "access denied due to missing subscription key", key, "Azure"},
    ErrorRow{In::begin, "user location is not supported", place, "Gemini, with 400"},
    ErrorRow{In::begin, "country, region, or territory not supported", place, "OpenAI"},
    ErrorRow{In::begin, "no models loaded", model, "LM Studio"},
    ErrorRow{In::begin, "no model loaded", model, "LM Studio"},
    ErrorRow{In::begin, "failed to load model", model, "LM Studio"},
    ErrorRow{In::begin, "invalid model name passed", model, "LiteLLM, with 400"},
    ErrorRow{In::begin, "/chat/completions: invalid model name passed", model, "LiteLLM, with 400"},
    ErrorRow{In::begin, "no endpoints found", model, "OpenRouter"},
    ErrorRow{In::begin, "the api deployment for this resource does not exist", model, "Azure"},
    ErrorRow{In::begin, "budget has been exceeded", money, "LiteLLM, with 400"},
    ErrorRow{In::begin, "exceededbudget", money, "LiteLLM, with 400"},
    ErrorRow{In::begin, "insufficient credits", money, "OpenRouter"},
    ErrorRow{In::begin, "insufficient balance", money, "DeepSeek"},
    ErrorRow{In::begin, "this request requires more credits", money, "OpenRouter"},
    ErrorRow{In::begin, "no deployments available for selected model", rate, "LiteLLM"},
    ErrorRow{In::begin, "the model is overloaded", rate, "Gemini, with 503"},
    ErrorRow{In::begin, "model is overloaded", rate, "TEI"},
    ErrorRow{In::begin, "rate limit", rate, "OpenAI, Voyage"},
    ErrorRow{In::begin, "too many requests", rate, "gateways"},
    ErrorRow{In::begin, "loading model", down, "llama.cpp"},
    ErrorRow{In::begin, "upstream connect error", down, "Envoy"},
    ErrorRow{In::begin, "no healthy upstream", down, "Envoy"},
    ErrorRow{In::begin, "output data may contain inappropriate content", filtered, "DashScope"},
    ErrorRow{In::begin, "input data may contain inappropriate content", filtered, "DashScope"},

    ErrorRow{In::message, "is not a valid model id", model, "OpenRouter, with 400"},
    ErrorRow{In::message, "is not found for api version", model, "Gemini"},
    ErrorRow{In::message, "content management policy", filtered, "Azure"},
};

constexpr std::array too_long_words{
    std::string_view("maximum context length"),                // OpenAI, vLLM, OpenRouter
    std::string_view("context length"),                        // Ollama, LM Studio
    std::string_view("context window"),                        // Anthropic, gateways
    std::string_view("available context size"),                // llama.cpp
    std::string_view("exceeds the context"),                   // llama.cpp
    std::string_view("exceeds maximum context"),               // Ollama
    std::string_view("too large to process"),                  // llama.cpp
    std::string_view("prompt is too long"),                    // Anthropic
    std::string_view("input is too long"),                     // Bedrock
    std::string_view("exceed context limit"),                  // Anthropic
    std::string_view("maximum number of tokens allowed"),      // Gemini
    std::string_view("longer than the maximum model length"),  // vLLM
    std::string_view("reduce the length of the"),              // OpenAI, Groq
};

std::string lower(std::string_view text, std::size_t most = message_bytes) {
    std::string out(text.substr(0, most));
    for (auto& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

// Where an error's object stands, or null.
const json& error_in(const json& body) {
    static const json null;
    if (body.is_array()) return body.empty() ? null : error_in(body.front());
    if (const auto& error = member_at(body, "error"); !error.is_null()) return error;
    const auto& choices = member_at(body, "choices");
    return choices.is_array() && !choices.empty() ? member_at(choices.front(), "error") : null;
}

const json& outermost(const json& body) {
    return body.is_array() && !body.empty() ? body.front() : body;
}

// FastAPI: {"detail":[{"loc":["body","seed"],"msg":…}]}: the last name of the place is the parameter.
std::string param_of_detail(const json& body) {
    const auto& detail = member_at(body, "detail");
    if (!detail.is_array() || detail.empty()) return {};
    const auto& where = member_at(detail.front(), "loc");
    return where.is_array() && !where.empty() && where.back().is_string() ? where.back().get<std::string>()
                                                                          : std::string();
}

std::vector<std::string> codes_in(const json& body, const json& error) {
    std::vector<std::string> codes;
    const auto add = [&](const json& from, const char* path) {
        if (auto code = text_at(from, path); !code.empty()) codes.push_back(lower(code));
    };
    add(error, "details.error_code");
    if (const auto& details = member_at(error, "details"); details.is_array())
        for (const auto& detail : details) add(detail, "reason");
    for (const auto* path : {"code", "type", "status", "innererror.code"}) add(error, path);
    for (const auto* path : {"code", "type", "error_type"}) add(body, path);
    return codes;
}

// Of google.rpc.RetryInfo: "34s", "34.07s".
std::optional<Milliseconds> retry_delay(const json& error) {
    const auto& details = member_at(error, "details");
    if (!details.is_array()) return std::nullopt;
    for (const auto& detail : details) {
        const auto text = text_at(detail, "retryDelay");
        double seconds = 0;
        const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), seconds);
        constexpr double longest = 86'400;
        if (failed == std::errc() && std::string_view(end) == "s" && seconds >= 0 && seconds <= longest)
            return Milliseconds(static_cast<Milliseconds::rep>(seconds * 1'000));
    }
    return std::nullopt;
}

std::string code_of(const std::vector<std::string>& codes, std::string_view message) {
    for (const auto& code : codes) {
        if (endpoint::is_known_code(code)) return code;
        for (const auto& row : rows)
            if (row.in == In::code && row.text == code) return std::string(row.code);
    }
    for (const auto& row : rows) {
        if (row.in == In::begin && message.starts_with(row.text)) return std::string(row.code);
        if (row.in == In::message && message.find(row.text) != message.npos) return std::string(row.code);
    }
    return {};
}

bool is_word_part(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

// The status that an error's own code says; 0: it says none.
int status_of(const json& error) {
    for (const auto* path : {"code", "status", "status_code"}) {
        const auto text = text_at(error, path);
        int status = 0;
        const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), status);
        if (failed == std::errc() && end == text.data() + text.size() && status >= 400 && status < 600)
            return status;
    }
    return 0;
}

}  // namespace

std::span<const ErrorRow> error_rows() {
    return rows;
}

bool ErrorBody::refuses(std::string_view parameter) const {
    if (!param.empty()) return param == parameter || param.starts_with(std::string(parameter) + '.');
    for (auto at = message.find(parameter); at != message.npos; at = message.find(parameter, at + 1)) {
        const auto end = at + parameter.size();
        if ((at == 0 || !is_word_part(message[at - 1])) &&
            (end == message.size() || !is_word_part(message[end])))
            return true;
    }
    return false;
}

ErrorBody read_error(const http::Response& response) {
    ErrorBody found;
    const auto parsed = parse_body(response);
    found.json = !parsed.is_discarded();
    if (!found.json) return found;
    const auto& body = outermost(parsed);
    const auto& error = error_in(parsed);
    found.param = text_at(error, "param");
    if (found.param == "None") found.param.clear();  // LiteLLM
    if (found.param.empty()) found.param = param_of_detail(body);
    // OpenRouter: what the provider behind it said, as a text of JSON.
    const auto raw = text_at(error, "metadata.raw");
    for (const auto& text :
         {text_at(error, "message"), error.is_string() ? error.get<std::string>() : std::string(),
          text_at(body, "message"), text_at(body, "detail"), text_at(body, "msg")})
        if (!text.empty() && found.message.empty()) found.message = lower(text);
    found.code = code_of(codes_in(body, error), found.message);
    if (!raw.empty() && found.code.empty()) {
        http::Response inner;
        inner.body = raw;
        const auto behind = parse_body(inner).is_object() ? read_error(inner) : ErrorBody{};
        found.code = behind.code.empty() ? code_of({}, lower(raw)) : behind.code;
        if (found.param.empty()) found.param = behind.param;
        found.message = lower(found.message + " " + (behind.message.empty() ? raw : behind.message));
    }
    found.retry_after = retry_delay(error);
    return found;
}

http::Response as_its_error(http::Response response) {
    // Most answers hold none, and are not parsed for it.
    constexpr std::size_t largest = 65'536;
    if (response.status != 200 || response.body.size() > largest ||
        response.body.find("\"error\"") == std::string::npos)
        return response;
    const auto body = parse_body(response);
    const auto& error = error_in(body);
    const bool empty = error.is_null() || (error.is_string() && error.get_ref<const std::string&>().empty());
    if (empty || !(error.is_object() || error.is_string())) return response;
    const int status = status_of(error);
    // One that says nothing we know is no answer, and stays one.
    if (status == 0 && read_error(response).code.empty()) return response;
    response.status = status != 0 ? status : 500;
    return response;
}

bool is_stream(const http::Response& response) {
    const auto& type = response.header("content-type");
    if (type.starts_with("text/event-stream") || type.starts_with("application/x-ndjson")) return true;
    const auto begin = response.body.find_first_not_of(" \t\r\n");
    if (begin == std::string::npos) return false;
    const auto text = std::string_view(response.body).substr(begin);
    return text.starts_with("data:") || text.starts_with("event:");
}

std::optional<std::size_t> most_texts(const ErrorBody& error, std::size_t sent) {
    if (error.says("token")) return std::nullopt;
    // What stands before the number: DashScope; TEI, SiliconFlow; Gemini, Cohere; OpenAI; Azure; Voyage,
    // others.
    constexpr std::array words{"not be larger than ", "allowed batch size ", "at most ",   "maximum length ",
                               "inputs is ",          "batch size of ",      "up to ",     "no more than ",
                               "maximum of ",         "batch size is ",      "limit of ",  "limit is ",
                               "not exceed ",         "cannot exceed ",      "limited to "};
    for (const std::string_view word : words) {
        const auto at = error.message.find(word);
        if (at == std::string::npos) continue;
        const char* digits = error.message.data() + at + word.size();
        std::size_t number = 0;
        const auto [end, failed] =
            std::from_chars(digits, error.message.data() + error.message.size(), number);
        if (failed == std::errc() && end != digits && number >= 1 && number < sent) return number;
    }
    return std::nullopt;
}

bool is_about_batch(const http::Response& response, const ErrorBody& error) {
    if (response.status == 413) return true;
    return error.says("batch") || error.says("too many inputs") || error.says("array too long") ||
           error.says("tokens per request") || error.says("number of inputs") || error.says("input array");
}

bool is_too_long(const ErrorBody& error) {
    if (error.code == overlong || error.code == "exceed_context_size_error") return true;
    return std::ranges::any_of(too_long_words, [&](std::string_view words) { return error.says(words); });
}

}  // namespace memoir::model
