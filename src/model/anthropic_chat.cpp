// Anthropic's POST /v1/messages (docs/providers.md, "Anthropic"). No sampling parameter is ever sent:
// newer models and the newer API version refuse them all.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "http/url.hpp"
#include "model/chat_body.hpp"

namespace memoir::model {

namespace {

using nlohmann::json;
using Json = Form::Json;

class AnthropicChat : public ChatProvider {
  public:
    explicit AnthropicChat(ProviderOptions options) : options_(std::move(options)) {
        const auto url = http::parse_url(options_.url);
        official_ = url && url->host == "api.anthropic.com";
        if (url && url->path == "/") options_.url = http::join(options_.url, "/v1");
    }

    std::string_view name() const override { return "anthropic"; }

    http::Request build(const ChatRequest& request, const Form& form) const override {
        return build(request, form, options_.max_output_tokens);
    }

    http::Request probe(const Form& form) const override {
        return build(probe_request(), form, std::min(probe_budget, options_.max_output_tokens));
    }

    http::Request build(const ChatRequest& request, const Form& form, int budget) const {
        json body = common(budget, user_part(request));
        json stable{{"type", "text"},
                    {"text", rules(request, form.json != Json::none)},
                    {"cache_control", {{"type", "ephemeral"}}}};
        body["system"] = json::array({std::move(stable)});
        auto schema = json::parse(request.schema, nullptr, false);
        if (form.json == Json::schema)
            body["output_config"] = {{"format", {{"type", "json_schema"}, {"schema", std::move(schema)}}}};
        else if (form.json == Json::simpler) {
            json tool{{"name", request.schema_name},
                      {"description", "Takes the answer"},
                      {"input_schema", std::move(schema)}};
            body["tools"] = json::array({std::move(tool)});
            body["tool_choice"] = {{"type", "tool"}, {"name", request.schema_name}};
        }
        return to_request(body);
    }

    // Models before 4.5 know no output_config: their JSON comes as the input of a tool that they must use.
    std::optional<Rephrased> rephrase(const ChatRequest&, const Form& form,
                                      const http::Response& response) const override {
        if (response.status != 400 || form.json == Json::none) return std::nullopt;
        const auto error = read_error(response);
        const bool named = error.says(form.json == Json::schema ? "output_config" : "tool");
        const bool other = form.json_proven || !error.code.empty() || is_money(error) || is_too_long(error) ||
                           is_budget(error);
        if (!named && other) return std::nullopt;
        Rephrased next{form, named};
        next.form.json = simpler(form.json);
        next.form.json_proven = false;
        return next;
    }

    Reading read(const ChatRequest& request, const Form&, const http::Response& response,
                 std::chrono::system_clock::time_point now) const override {
        if (response.status != 200) return {{}, failure(response, now)};
        if (is_stream(response)) return {{}, streamed(options_.role)};
        const auto body = parse_body(response);
        const auto& blocks = member_at(body, "content");
        if (!blocks.is_array()) return {{}, no_answer(response)};
        Reading reading;
        reading.reply.text = text_of(blocks, request.schema_name);
        reading.reply.tokens_cached = count_at(body, "usage.cache_read_input_tokens");
        reading.reply.tokens_in = count_at(body, "usage.input_tokens") + reading.reply.tokens_cached +
                                  count_at(body, "usage.cache_creation_input_tokens");
        reading.reply.tokens_out = count_at(body, "usage.output_tokens");
        const auto why = text_at(body, "stop_reason");
        if (why == "refusal")
            reading.failure = refused();
        else if (why == "max_tokens")
            reading.failure = cut_at_budget(options_.max_output_tokens);
        else if (why == "model_context_window_exceeded")
            reading.failure.emplace(FailureType::job, "reply cut at the end of the model's context");
        else if (why == "pause_turn" || reading.reply.text.empty())
            reading.failure.emplace(FailureType::job, "reply without content");
        if (!official_)
            if (auto cut = cut_prompt(reading.reply.tokens_in, options_.role))
                reading.failure = std::move(cut);
        return reading;
    }

    Quotas quotas(const ChatReply& reply, const http::Response& response,
                  std::chrono::system_clock::time_point now) const override {
        Quotas quotas;
        const bool told = reply.tokens_in > 0 || reply.tokens_out > 0;
        const auto in = static_cast<double>(reply.tokens_in - reply.tokens_cached);
        const auto out = static_cast<double>(reply.tokens_out);
        for (const auto& [which, cost] : {std::pair<std::string, double>("requests", 1),
                                          {"tokens", in + out},
                                          {"input-tokens", in},
                                          {"output-tokens", out}}) {
            // An answer without usage says nothing of what a call costs: what is known is better.
            if (!told && which != "requests") continue;
            const auto name = "anthropic-ratelimit-" + which;
            add_quota(quotas, which, response, name + "-limit", name + "-remaining", name + "-reset", cost,
                      now);
        }
        return quotas;
    }

  private:
    // Its own spend limits come as a plain 400 without a code; only the words tell. They are looked for where
    // they stand: a server that repeats a memory may say anything later on.
    static bool is_money(const ErrorBody& error) {
        return error.message.starts_with("your credit balance") ||
               (error.message.starts_with("you have reached your specified") && error.says("limit"));
    }

    // "max_tokens: 8192 > 4096, which is …": a server that repeats the request names it somewhere, too.
    static bool is_budget(const ErrorBody& error) { return error.message.starts_with("max_tokens: "); }

    static std::string text_of(const json& blocks, const std::string& tool) {
        std::string text;
        for (const auto& block : blocks) {
            const auto type = text_at(block, "type");
            if (type == "text") text += text_at(block, "text");
            // The answer itself, whatever was said beside it.
            if (type == "tool_use" && text_at(block, "name") == tool)
                return dump_body(member_at(block, "input"));
        }
        return text;
    }

    Failure failure(const http::Response& response, std::chrono::system_clock::time_point now) const {
        const auto error = read_error(response);
        if (response.status == 400 && is_money(error)) return billing(response);
        if (response.status == 413 || (response.status == 400 && is_too_long(error))) return too_long();
        if (response.status == 400 && is_budget(error)) return budget_refused(response, options_.role);
        if (is_beyond_rate(response, error)) return beyond_rate();
        return failure_of(response, error, options_.role, now);
    }

    json common(int budget, const std::string& user) const {
        json message{{"role", "user"}, {"content", user}};
        return {{"model", options_.model},
                {"max_tokens", budget},
                {"messages", json::array({std::move(message)})}};
    }

    http::Request to_request(const json& body) const {
        http::Request request;
        request.url = http::join_once(options_.url, "/messages");
        // The older of the two versions: every gateway knows it, and what we send means the same in both.
        request.headers = {{"Content-Type", "application/json"}, {"anthropic-version", "2023-06-01"}};
        if (!options_.api_key.empty()) {
            request.secret_header = "x-api-key";
            request.secret_value = options_.api_key;
        }
        request.body = dump_body(body);
        return request;
    }

    ProviderOptions options_;
    bool official_ = false;
};

}  // namespace

std::unique_ptr<ChatProvider> make_anthropic_chat(ProviderOptions options) {
    return std::make_unique<AnthropicChat>(std::move(options));
}

}  // namespace memoir::model
