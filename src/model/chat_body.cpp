#include "model/chat_body.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/json_text.hpp"
#include "endpoint/classify.hpp"

namespace memoir::model {

using nlohmann::json;

namespace {

constexpr std::size_t message_bytes = 1'000;
constexpr std::int64_t most_counted = 1'000'000'000'000;  // counts are added up

std::string lower(std::string_view text) {
    std::string out(text.substr(0, message_bytes));
    for (auto& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

// FastAPI: {"detail":[{"loc":["body","seed"],"msg":…}]}: the last name of the place is the parameter.
std::string param_of_detail(const nlohmann::json& body) {
    const auto& detail = member_at(body, "detail");
    if (!detail.is_array() || detail.empty()) return {};
    const auto& place = member_at(detail.front(), "loc");
    return place.is_array() && !place.empty() && place.back().is_string() ? place.back().get<std::string>()
                                                                          : std::string();
}

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
    if (response.status == 404 && error.json) return "model";
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

bool ErrorBody::refuses(std::string_view parameter) const {
    if (!param.empty()) return param == parameter || param.starts_with(std::string(parameter) + '.');
    for (const char quote : {'\'', '`', '"'})
        if (says(quote + std::string(parameter) + quote)) return true;
    return false;
}

ErrorBody read_error(const http::Response& response) {
    ErrorBody error;
    const auto body = parse_body(response);
    error.json = !body.is_discarded();
    if (!error.json) return error;
    for (const auto* path : {"error.details.error_code", "error.code", "error.type", "code", "type"})
        if (auto code = text_at(body, path); endpoint::is_known_code(code)) {
            error.code = std::move(code);
            break;
        }
    error.param = text_at(body, "error.param");
    if (error.param.empty()) error.param = param_of_detail(body);
    for (const auto* path : {"error.message", "error", "message", "detail"})
        if (const auto text = text_at(body, path); !text.empty() && error.message.empty())
            error.message = lower(text);
    return error;
}

Failure failure_of(const http::Response& response, const ErrorBody& error, const std::string& role,
                   std::chrono::system_clock::time_point now) {
    endpoint::Answer answer{response.status, http::retry_after(response, now), error.code, error.json};
    return endpoint::classify(answer, role + '.' + setting_of(response, error));
}

Failure no_answer(const http::Response& response) {
    return endpoint::classify(endpoint::Answer{response.status, std::nullopt, {}, true});
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

}  // namespace memoir::model
