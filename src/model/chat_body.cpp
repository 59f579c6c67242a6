#include "model/chat_body.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/json_text.hpp"
#include "endpoint/classify.hpp"

namespace memoir::model {

using nlohmann::json;

namespace {

constexpr std::int64_t most_counted = 1'000'000'000'000;  // counts are added up

const char* setting_of(const http::Response& response, const ErrorBody& error) {
    switch (response.status) {
        case 401:
        case 403:
        case 407:
        case 402:  // money, as a 429 that blocks: it is the key that belongs to an account
        case 429:
            return "api_key_file";
        default:
            break;
    }
    for (const std::string_view code : {"invalid_api_key", "insufficient_quota", "authentication_error"})
        if (error.code == code) return "api_key_file";
    if (error.code == "model_not_found" || (response.status == 404 && error.json)) return "model";
    return "url";
}

}  // namespace

json parse_body(const http::Response& response, std::size_t most_values) {
    // No answer of a model lies deeper; writing out what nests a million levels would overflow the stack.
    constexpr int deepest = 64;
    if (!json_fits(response.body, deepest, most_values)) return json(json::value_t::discarded);
    auto body = json::parse(response.body, nullptr, false);
    return body.is_discarded() ? json::parse(repaired_json(response.body), nullptr, false) : body;
}

bool is_azure(const http::Url& url) {
    return url.host.find(".azure.") != std::string::npos ||
           url.path.find("/openai/deployments/") != std::string::npos;
}

void add_key(http::Request& request, const Secret& key, bool azure) {
    request.secret_header = azure ? "api-key" : "Authorization";
    request.secret_value = azure ? key : Secret("Bearer " + key.reveal());
}

std::string dump_body(const nlohmann::json& body) {
    return body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

const nlohmann::json& member_at(const nlohmann::json& body, std::string_view path) {
    static const nlohmann::json null;
    const auto* value = &body;
    while (!path.empty()) {
        const auto dot = std::min(path.find('.'), path.size());
        const auto found = value->is_object() ? value->find(std::string(path.substr(0, dot))) : value->end();
        if (found == value->end()) return null;
        value = &*found;
        path.remove_prefix(std::min(dot + 1, path.size()));
    }
    return *value;
}

std::string text_at(const nlohmann::json& body, std::string_view path) {
    const auto& value = member_at(body, path);
    if (value.is_string()) return value.get<std::string>();
    return value.is_number_integer() ? std::to_string(value.get<std::int64_t>()) : std::string();
}

std::int64_t count_at(const nlohmann::json& body, std::string_view path) {
    const auto& value = member_at(body, path);
    return value.is_number_integer() ? std::clamp<std::int64_t>(value.get<std::int64_t>(), 0, most_counted)
                                     : 0;
}

Failure failure_of(const http::Response& response, const ErrorBody& error, const std::string& role,
                   std::chrono::system_clock::time_point now) {
    auto wait = http::retry_after(response, now);
    if (!wait) wait = error.retry_after;
    endpoint::Answer answer{response.status, wait, error.code, error.json};
    return endpoint::classify(answer, role + '.' + setting_of(response, error));
}

Failure no_answer(const http::Response& response) {
    return endpoint::classify(endpoint::Answer{response.status, std::nullopt, {}, true});
}

Failure streamed(const std::string& role) {
    Failure failure(FailureType::blocked, "HTTP 200 with a stream, which was not asked for");
    failure.hint = "switch streaming off in the server or gateway at " + role + ".url";
    return failure;
}

Failure cut_at_budget(int tokens) {
    return {FailureType::job, "reply cut at the output budget of " + std::to_string(tokens) + " tokens"};
}

Failure refused() {
    return {FailureType::permanent, "refused by the model"};
}

Failure too_long() {
    return {FailureType::permanent, "too long for the model's context"};
}

Failure budget_refused(const http::Response& response, const std::string& role) {
    Failure failure(FailureType::blocked,
                    "HTTP " + std::to_string(response.status) + ": the server refuses the output budget");
    failure.hint = "lower " + role + ".max_output_tokens";
    return failure;
}

bool is_beyond_rate(const http::Response& response, const ErrorBody& error) {
    return response.status == 429 && error.says("request too large");
}

Failure beyond_rate() {
    return {FailureType::permanent, "larger than the account's rate limit"};
}

Failure billing(const http::Response& response) {
    Failure failure(FailureType::blocked, "HTTP " + std::to_string(response.status) + " (spend limit)");
    failure.hint = "billing: the account's credit or spend limit is used up; see the provider's billing page";
    failure.of_account = true;
    return failure;
}

std::string described(const Form& form) {
    std::string text = form.json == Form::Json::schema    ? "by a schema"
                       : form.json == Form::Json::simpler ? "for JSON without a schema"
                                                          : "in words alone";
    if (!form.temperature) text += ", without temperature";
    if (!form.seed) text += ", without seed";
    if (!form.think) text += ", without think";
    if (form.other_limit) text += ", with the other name of the output budget";
    return text;
}

std::string rules(const ChatRequest& request, bool schema_is_sent) {
    if (schema_is_sent) return request.stable;
    return request.stable + "\n\nThe JSON object fits this JSON Schema:\n" + request.schema;
}

std::string user_part(const ChatRequest& request) {
    if (request.attempt <= 1) return request.user;
    return request.user + "\nAttempt " + std::to_string(request.attempt) + '.';
}

std::optional<Failure> cut_prompt(std::int64_t tokens_in, const std::string& role) {
    constexpr int least_context = 1'000;
    if (tokens_in < least_context || (tokens_in % 1'000 != 0 && tokens_in % 1'024 != 0)) return std::nullopt;
    Failure failure(FailureType::job,
                    "the server seems to have cut the prompt to " + std::to_string(tokens_in) + " tokens");
    failure.hint = "give its model a larger context; of an Ollama with " + role +
                   ".provider = \"ollama\" memoird can ask for one";
    return failure;
}

double temperature_for(int attempt) {
    return attempt <= 1 ? 0.0 : 0.3;
}

const ChatRequest& probe_request() {
    static const ChatRequest request{
        "Answer with JSON.", "ping", "probe",
        R"({"type":"object","properties":{"answer":{"type":"string"}},"required":["answer"],"additionalProperties":false})"};
    return request;
}

}  // namespace memoir::model
