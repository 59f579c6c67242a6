// OpenAI's POST /v1/chat/completions and everything compatible with it (docs/providers.md, "OpenAI and
// compatible servers").
#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "http/url.hpp"
#include "model/chat_body.hpp"

namespace memoir::model {

namespace {

using nlohmann::json;
using Json = Form::Json;

constexpr const char* old_limit = "max_tokens";
constexpr const char* new_limit = "max_completion_tokens";

class OpenAiChat : public ChatProvider {
  public:
    explicit OpenAiChat(ProviderOptions options) : options_(std::move(options)) {
        const auto url = http::parse_url(options_.url);
        official_ = url && url->host == "api.openai.com";
        azure_ = url && is_azure(*url);
        // A base URL is written with /v1 or without.
        if (url && url->path == "/") options_.url = http::join(options_.url, azure_ ? "/openai/v1" : "/v1");
    }

    std::string_view name() const override { return "openai"; }

    http::Request build(const ChatRequest& request, const Form& form) const override {
        return build(request, form, options_.max_output_tokens);
    }

    http::Request probe(const Form& form) const override {
        return build(probe_request(), form, std::min(probe_budget, options_.max_output_tokens));
    }

    http::Request build(const ChatRequest& request, const Form& form, int budget) const {
        json body = common(form, budget);
        body["messages"] = json::array({message("system", rules(request, form.json == Json::schema)),
                                        message("user", user_part(request))});
        if (form.json == Json::schema)
            body["response_format"] = {{"type", "json_schema"},
                                       {"json_schema",
                                        {{"name", request.schema_name},
                                         {"strict", true},
                                         {"schema", json::parse(request.schema, nullptr, false)}}}};
        if (form.json == Json::simpler) body["response_format"] = {{"type", "json_object"}};
        if (form.temperature && takes_temperature()) body["temperature"] = temperature_for(request.attempt);
        if (form.seed && request.attempt > 1) body["seed"] = request.attempt;
        return to_request(body);
    }

    std::optional<Rephrased> rephrase(const ChatRequest&, const Form& form,
                                      const http::Response& response) const override {
        if (response.status != 400 && response.status != 422) return std::nullopt;
        const auto error = read_error(response);
        if (auto next = without_named(form, error)) return Rephrased{*next, true};
        // Servers that do not know a parameter need not say so: once with as little as possible, and see.
        const bool bare = form.json == Json::none && !form.temperature && !form.seed;
        if (bare || form.json_proven || !error.code.empty() || !error.param.empty() || is_too_long(error))
            return std::nullopt;
        Rephrased next{form, false};
        next.form.json = simpler(form.json);
        next.form.temperature = next.form.seed = false;
        return next;
    }

    Reading read(const ChatRequest&, const Form& form, const http::Response& response,
                 std::chrono::system_clock::time_point now) const override {
        if (response.status != 200) return {{}, failure(form, response, now)};
        if (is_stream(response)) return {{}, streamed(options_.role)};
        const auto body = parse_body(response);
        const auto& choices = member_at(body, "choices");
        if (!choices.is_array() || choices.empty() || !member_at(choices[0], "message").is_object())
            return {{}, no_answer(response)};
        Reading reading;
        const auto why = text_at(choices[0], "finish_reason");
        reading.reply.text = content_of(member_at(choices[0], "message.content"));
        // Some servers file all that a thinking model says under its thinking.
        if (reading.reply.text.empty() && why == "stop")
            for (const auto* field : {"message.reasoning_content", "message.reasoning"})
                if (reading.reply.text.empty()) reading.reply.text = content_of(member_at(choices[0], field));
        reading.reply.tokens_in = count_at(body, "usage.prompt_tokens");
        reading.reply.tokens_out = count_at(body, "usage.completion_tokens");
        reading.reply.tokens_cached = count_at(body, "usage.prompt_tokens_details.cached_tokens");
        if (why == "content_filter" || !text_at(choices[0], "message.refusal").empty())
            reading.failure = refused();
        else if (why == "length")
            reading.failure = cut_at_budget(options_.max_output_tokens);
        else if (reading.reply.text.empty())
            reading.failure.emplace(FailureType::job, "reply without content");
        if (!official_)
            if (auto cut = cut_prompt(reading.reply.tokens_in, options_.role))
                reading.failure = std::move(cut);
        return reading;
    }

    // A call is charged for the budget that it asks for, not only for what it then uses.
    Quotas quotas(const ChatReply& reply, const http::Response& response,
                  std::chrono::system_clock::time_point now) const override {
        Quotas quotas;
        const auto used = static_cast<double>(reply.tokens_in + reply.tokens_out);
        for (const auto& [which, cost] : {std::pair<std::string, double>("requests", 1),
                                          {"tokens", std::max<double>(used, options_.max_output_tokens)}})
            add_quota(quotas, which, response, "x-ratelimit-limit-" + which, "x-ratelimit-remaining-" + which,
                      "x-ratelimit-reset-" + which, cost, now);
        return quotas;
    }

  private:
    // The form without the parameter that the server names.
    std::optional<Form> without_named(const Form& form, const ErrorBody& error) const {
        auto next = form;
        // A budget that is too large is so under either name.
        if (!form.other_limit && error.refuses(limit_name(form)) && !error.says("too large") &&
            !is_too_long(error))
            next.other_limit = true;
        else if (form.temperature && error.refuses("temperature"))
            next.temperature = false;
        else if (form.seed && error.refuses("seed"))
            next.seed = false;
        else if (form.json != Json::none && error.refuses("response_format")) {
            next.json = simpler(form.json);
            next.json_proven = false;
        } else
            return std::nullopt;
        return next;
    }

    // Servers that count prompt and reply together (vLLM): no prompt fits beside this output budget.
    bool fills_context(const ErrorBody& error) const {
        constexpr std::string_view words = "maximum context length is ";
        constexpr int least_prompt = 256;
        const auto at = error.message.find(words);
        if (at == std::string::npos) return false;
        const char* digits = error.message.data() + at + words.size();
        int context = 0;
        const auto [end, failed] =
            std::from_chars(digits, error.message.data() + error.message.size(), context);
        return failed == std::errc() && context < options_.max_output_tokens + least_prompt;
    }

    // Compatible servers know the old name only, OpenAI's newer models only the new one.
    const char* limit_name(const Form& form) const {
        return official_ != form.other_limit ? new_limit : old_limit;
    }

    // Of OpenAI's own models those before the reasoning ones; other servers take it.
    bool takes_temperature() const {
        if (!official_) return true;
        static constexpr std::array<std::string_view, 4> known = {"gpt-4", "gpt-3.5", "chatgpt-4o",
                                                                  "ft:gpt-4"};
        for (const auto prefix : known)
            if (options_.model.starts_with(prefix)) return true;
        return false;
    }

    // A string, null, (Mistral) a list of parts, or the object itself that was asked for.
    static std::string content_of(const json& content) {
        if (content.is_string()) return content.get<std::string>();
        if (!content.is_array()) return content.is_object() ? dump_body(content) : std::string();
        std::string text;
        for (const auto& part : content) {
            if (part.is_string()) text += part.get<std::string>();
            const auto type = text_at(part, "type");
            if (type == "text" || type == "output_text") text += text_at(part, "text");
        }
        return text;
    }

    Failure failure(const Form& form, const http::Response& response,
                    std::chrono::system_clock::time_point now) const {
        const auto error = read_error(response);
        const bool refused_form = response.status == 400 || response.status == 422;
        if (error.code == "content_filter") return refused();
        if (refused_form && is_too_long(error) && fills_context(error))
            return budget_refused(response, options_.role);
        if (response.status == 413 || (refused_form && is_too_long(error))) return too_long();
        if (refused_form && error.code.empty() && error.refuses(limit_name(form)))
            return budget_refused(response, options_.role);
        if (is_beyond_rate(response, error)) return beyond_rate();
        return failure_of(response, error, options_.role, now);
    }

    static json message(const char* role, const std::string& content) {
        return {{"role", role}, {"content", content}};
    }

    json common(const Form& form, int budget) const {
        return {{"model", options_.model}, {limit_name(form), budget}};
    }

    http::Request to_request(const json& body) const {
        http::Request request;
        request.url = http::join_once(options_.url, "/chat/completions");
        request.headers = {{"Content-Type", "application/json"}};
        if (!options_.api_key.empty()) add_key(request, options_.api_key, azure_);
        request.body = dump_body(body);
        return request;
    }

    ProviderOptions options_;
    bool official_ = false, azure_ = false;
};

}  // namespace

std::unique_ptr<ChatProvider> make_openai_chat(ProviderOptions options) {
    return std::make_unique<OpenAiChat>(std::move(options));
}

}  // namespace memoir::model
